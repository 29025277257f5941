//! Service level objectives: [`Slo`], like `p99<5ms`, `rps>10k` or `errors<0.1%`, and what
//! became of them: [`SloOutcome`]. How they are judged is in [`judge`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use echo_net::settings::{Count, TimeSpan};

use super::LatencySummary;
use echo_bench_engine::plan::{percent, percentile, share};
use echo_bench_engine::record::Packed;

pub(super) mod judge;
mod outcome;

pub(crate) use judge::Evidence;
pub use outcome::{SloOutcome, SloVerdict};

/// An objective of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    objective: Objective,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Objective {
    /// A quantile of the response latency must stay below a limit; 1: the maximum.
    Latency { quantile: f64, limit: TimeSpan },
    /// Successful replies per second must be more than this.
    Throughput { least: Count },
    /// The share of requests without a successful reply must stay below this.
    Errors { most: f64 },
}

/// A text that is not an objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSlo {
    /// Not of the form.
    #[error(
        "invalid objective `{0}`: write it like `p99<5ms`, `max<1s`, `rps>10k` or `errors<0.1%`"
    )]
    Form(String),
    /// The limit is no time.
    #[error("invalid objective `{objective}`: `{limit}` is no latency, write it like `5ms`")]
    Limit {
        /// The whole.
        objective: String,
        /// What is no time.
        limit: String,
    },
    /// The limit is a bare number, which would be seconds elsewhere.
    #[error(
        "invalid objective `{objective}`: the limit has no unit, write `{limit}ms` or `{limit}s`"
    )]
    Unit {
        /// The whole.
        objective: String,
        /// The number.
        limit: String,
    },
    /// The throughput is no number.
    #[error(
        "invalid objective `{objective}`: `{limit}` is no throughput, write it like `rps>10k`"
    )]
    Throughput {
        /// The whole.
        objective: String,
        /// What is no throughput.
        limit: String,
    },
    /// A throughput is to be high, and not low.
    #[error(
        "invalid objective `{objective}`: a throughput has a lower limit, write `rps>{limit}`"
    )]
    NotAbove {
        /// The whole.
        objective: String,
        /// The limit.
        limit: String,
    },
    /// Latencies and errors are to be low, and not high.
    #[error(
        "invalid objective `{objective}`: `{name}` has an upper limit, write `{name}<{limit}`"
    )]
    NotBelow {
        /// The whole.
        objective: String,
        /// What has it.
        name: String,
        /// The limit.
        limit: String,
    },
    /// The share of errors has no unit.
    #[error("invalid objective `{objective}`: the limit has no unit, write `{limit}%`")]
    Percent {
        /// The whole.
        objective: String,
        /// The number.
        limit: String,
    },
    /// The share of errors is none.
    #[error(
        "invalid objective `{objective}`: `{limit}` is no share above 0 % and below 100 %, write \
         it like `0.1%`"
    )]
    Share {
        /// The whole.
        objective: String,
        /// What is no share.
        limit: String,
    },
}

impl FromStr for Slo {
    type Err = InvalidSlo;

    fn from_str(text: &str) -> Result<Self, InvalidSlo> {
        let form = || InvalidSlo::Form(text.to_owned());
        let place = text.find(['<', '>']).ok_or_else(form)?;
        let (name, limit) = (text[..place].trim(), text[place + 1..].trim());
        let above = text[place..].starts_with('>');
        let (objective, limit) = (text.to_owned(), limit.to_owned());
        let found = match name {
            "rps" if above => throughput(objective, limit)?,
            "rps" => return Err(InvalidSlo::NotAbove { objective, limit }),
            _ if above && (name == "errors" || quantile(name).is_some()) => {
                return Err(InvalidSlo::NotBelow { objective, name: name.into(), limit });
            }
            _ if above => return Err(form()),
            "errors" => errors(objective, limit)?,
            _ => latency(quantile(name).ok_or_else(form)?, objective, limit)?,
        };
        Ok(Self { objective: found })
    }
}

/// The quantile of this name, 1 of the maximum.
fn quantile(name: &str) -> Option<f64> {
    if name == "max" {
        return Some(1.0);
    }
    percentile(name)
}

fn latency(quantile: f64, objective: String, limit: String) -> Result<Objective, InvalidSlo> {
    let bare = !limit.is_empty() && !limit.contains(|c: char| c.is_alphabetic());
    match limit.parse() {
        Ok(_) if bare => Err(InvalidSlo::Unit { objective, limit }),
        Ok(limit) => Ok(Objective::Latency { quantile, limit }),
        Err(_) => Err(InvalidSlo::Limit { objective, limit }),
    }
}

fn throughput(objective: String, limit: String) -> Result<Objective, InvalidSlo> {
    // The unit is in the name; who writes it twice is understood.
    let number = limit.strip_suffix("/s").unwrap_or(&limit);
    match number.parse() {
        Ok(Count(least)) if least > 0 => Ok(Objective::Throughput { least: Count(least) }),
        _ => Err(InvalidSlo::Throughput { objective, limit }),
    }
}

fn errors(objective: String, limit: String) -> Result<Objective, InvalidSlo> {
    let number = |text: &str| format!("{}e-2", text.trim()).parse::<f64>().ok();
    let Some(percent) = limit.strip_suffix('%') else {
        return Err(match number(&limit) {
            Some(_) => InvalidSlo::Percent { objective, limit },
            None => InvalidSlo::Share { objective, limit },
        });
    };
    match share(percent) {
        Some(most) => Ok(Objective::Errors { most }),
        None => Err(InvalidSlo::Share { objective, limit }),
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.objective {
            Objective::Latency { quantile, limit } if quantile >= 1.0 => {
                write!(f, "max<{limit}")
            }
            Objective::Latency { quantile, limit } => {
                write!(f, "p{}<{limit}", percent(quantile))
            }
            Objective::Throughput { least } => write!(f, "rps>{least}"),
            Objective::Errors { most } => write!(f, "errors<{}%", percent(most)),
        }
    }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        echo_bench_engine::as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Slo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        echo_bench_engine::as_text::deserialize(deserializer)
    }
}

impl Slo {
    /// Whether it is about latency.
    pub fn is_latency(&self) -> bool {
        self.latency_limit().is_some()
    }

    /// The quantile (1: the maximum) and the limit in nanoseconds of an objective on latency.
    pub(crate) fn latency_limit(&self) -> Option<(f64, u64)> {
        match self.objective {
            Objective::Latency { quantile, limit } => {
                Some((quantile, u64::try_from(limit.0.as_nanos()).unwrap_or(u64::MAX)))
            }
            _ => None,
        }
    }

    /// The limit of an objective on latency.
    pub fn latency(&self) -> Option<Duration> {
        match self.objective {
            Objective::Latency { limit, .. } => Some(limit.0),
            _ => None,
        }
    }

    /// Whether it is on throughput, which is to be high.
    pub fn is_floor(&self) -> bool {
        self.least_per_s().is_some()
    }

    /// The least rate per second of an objective on throughput.
    pub(crate) fn least_per_s(&self) -> Option<u64> {
        match self.objective {
            Objective::Throughput { least } => Some(least.0),
            _ => None,
        }
    }

    /// The greatest share of errors of an objective on them.
    pub(crate) fn most_errors(&self) -> Option<f64> {
        match self.objective {
            Objective::Errors { most } => Some(most),
            _ => None,
        }
    }

    /// The same with a limit that is so much longer, or of errors higher, and where so large a share
    /// of the requests may be beyond it, too; `None` if nothing could miss it then.
    pub(crate) fn eased(&self, longer: Duration, by: f64) -> Option<Self> {
        let objective = match self.objective {
            Objective::Latency { quantile, limit } => {
                let limit = TimeSpan(limit.0.saturating_add(longer));
                Objective::Latency { quantile: quantile - by, limit }
            }
            Objective::Errors { most } => Objective::Errors { most: most + by },
            throughput @ Objective::Throughput { .. } => throughput,
        };
        let can_be_missed = match objective {
            Objective::Latency { quantile, .. } => quantile > 0.0,
            Objective::Errors { most } => most < 1.0,
            Objective::Throughput { .. } => true,
        };
        can_be_missed.then_some(Self { objective })
    }

    /// The outcome where nothing is known.
    pub fn unknown(&self) -> SloOutcome {
        SloOutcome::unknown(self.to_string())
    }

    /// Judges a run by its response latency, which came in these `pieces`; an objective on
    /// anything else is undecided.
    pub fn judge(&self, response: Option<&LatencySummary>, pieces: &[Packed]) -> SloOutcome {
        self.judge_by(&Evidence { response, pieces, ..Evidence::default() })
    }

    /// Judges a run by all that it shows.
    pub(crate) fn judge_by(&self, evidence: &Evidence<'_>) -> SloOutcome {
        let unknown = self.unknown();
        match self.objective {
            Objective::Latency { quantile, limit } => {
                judge::latency(unknown, quantile, limit, evidence)
            }
            Objective::Throughput { least } => judge::throughput(unknown, least, evidence),
            Objective::Errors { most } => judge::errors(unknown, most, evidence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_objectives() {
        for (typed, shown) in [
            ("p99<5ms", "p99<5ms"),
            ("p99.9 < 500us", "p99.9<500us"),
            ("max<1s", "max<1s"),
            ("rps>10k", "rps>10k"),
            ("rps > 12500/s", "rps>12500"),
            ("errors<0.1%", "errors<0.1%"),
            ("errors < 5 %", "errors<5%"),
        ] {
            assert_eq!(typed.parse::<Slo>().unwrap().to_string(), shown);
        }
        for wrong in
            ["p99", "99<5ms", "p100<5ms", "p99<", "p0<1s", "pNaN<1s", "p99<5 m", "<5ms"]
        {
            assert!(wrong.parse::<Slo>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_wrongly_is_told_with_what_to_write() {
        for (typed, remedy) in [
            ("rps<10k", "write `rps>10k`"),
            ("rps>fast", "write it like `rps>10k`"),
            ("rps>0", "write it like `rps>10k`"),
            ("p99>5ms", "write `p99<5ms`"),
            ("errors>1%", "write `errors<1%`"),
            ("errors<0.1", "write `0.1%`"),
            ("errors<few", "write it like `0.1%`"),
            ("errors<100%", "write it like `0.1%`"),
            ("errors<0%", "write it like `0.1%`"),
            ("latency>5ms", "write it like `p99<5ms`"),
        ] {
            let told = typed.parse::<Slo>().unwrap_err().to_string();
            assert!(told.contains(remedy) && told.contains(typed), "{told}");
        }
    }

    #[test]
    fn a_limit_needs_its_unit() {
        for bare in ["p99<5", "p99 < 0.5", "max<0"] {
            let told = bare.parse::<Slo>().unwrap_err().to_string();
            assert!(told.contains("has no unit") && told.contains("ms` or"), "{bare}: {told}");
        }
    }
}
