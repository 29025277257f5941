//! Service level objectives: [`Slo`], like `p99<5ms`, judged on the response clock.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use echo_net::settings::{InvalidTimeSpan, TimeSpan};

use super::LatencySummary;

/// A quantile of the response latency that must stay below a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    quantile: f64,
    limit: TimeSpan,
}

/// A text that is no objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSlo {
    /// Not of the form.
    #[error("`{0}` is no objective: write it like `p99<5ms` or `max<1s`")]
    Form(String),
    /// The limit is no time.
    #[error(transparent)]
    Limit(#[from] InvalidTimeSpan),
}

impl FromStr for Slo {
    type Err = InvalidSlo;

    fn from_str(text: &str) -> Result<Self, InvalidSlo> {
        let wrong = || InvalidSlo::Form(text.to_owned());
        let (name, limit) = text.split_once('<').ok_or_else(wrong)?;
        let quantile = match name.trim() {
            "max" => 1.0,
            name => {
                let percent = name.strip_prefix('p').and_then(|n| n.parse::<f64>().ok());
                let percent = percent.filter(|percent| *percent > 0.0 && *percent < 100.0);
                percent.ok_or_else(wrong)? / 100.0
            }
        };
        Ok(Self { quantile, limit: limit.trim().parse()? })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quantile >= 1.0 {
            write!(f, "max<{}", self.limit)
        } else {
            // Percentages like 99.9 are not exact in binary; nine digits hide that.
            let percent = format!("{:.9}", self.quantile * 100.0);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            write!(f, "p{percent}<{}", self.limit)
        }
    }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Slo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::as_text::deserialize(deserializer)
    }
}

/// Whether an objective was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SloOutcome {
    /// The objective.
    pub slo: String,
    /// The quantile as measured; null if nothing was measured. Lower bounds count as they
    /// are: the truth is only worse.
    pub measured_ns: Option<u64>,
    /// Whether it is known to be below the limit. A lower bound below the limit is not.
    pub met: bool,
}

impl Slo {
    /// Judges a run by its response latency.
    pub fn judge(&self, response: Option<&LatencySummary>) -> SloOutcome {
        let measured = response.and_then(|response| {
            let value = response.histogram()?.value_at_quantile(self.quantile);
            Some((value, response.is_lower_bound(value)))
        });
        let limit = u64::try_from(self.limit.0.as_nanos()).unwrap_or(u64::MAX);
        SloOutcome {
            slo: self.to_string(),
            measured_ns: measured.map(|(value, _)| value),
            met: measured.is_some_and(|(value, bound)| value < limit && !bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Latency;

    #[test]
    fn reads_and_shows_objectives() {
        for (typed, shown) in
            [("p99<5ms", "p99<5ms"), ("p99.9 < 500us", "p99.9<500us"), ("max<1s", "max<1s")]
        {
            assert_eq!(typed.parse::<Slo>().unwrap().to_string(), shown);
        }
        for wrong in ["p99", "99<5ms", "p100<5ms", "p99<", "p0<1s", "pNaN<1s"] {
            assert!(wrong.parse::<Slo>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_lower_bound_is_never_good_enough() {
        let mut latency = Latency::default();
        for _ in 0..9 {
            latency.record(1_000_000);
        }
        latency.record_censored(2_000_000);
        let summary = LatencySummary::new(&latency, &[]);
        let judge = |slo: &str| slo.parse::<Slo>().unwrap().judge(summary.as_ref()).met;
        assert!(judge("p50<5ms"));
        assert!(!judge("p50<500us"));
        assert!(!judge("max<5ms"), "the request may have taken for ever");
        assert!(!"p50<5ms".parse::<Slo>().unwrap().judge(None).met);
    }
}
