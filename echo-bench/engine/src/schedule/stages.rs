//! A load in stages: [`Stage`], as typed, and [`Profile`], which says when the n-th request of
//! such a load is due. Pure; rates are of all connections together.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::{SECOND, nanos};
use echo_net::settings::{InvalidRate, InvalidTimeSpan, Rate, TimeSpan};

/// A time with a rate of its own, which stays or rises or falls evenly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Requests per second over all connections when it begins.
    pub from_per_s: f64,
    /// The same when it ends: another rate makes it a ramp.
    pub to_per_s: f64,
    /// Its length.
    pub length_ns: Nanos,
}

/// A text that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStage {
    /// Not of the form.
    #[error("invalid stage `{0}`: write RATE:TIME like 5k:30s, or A..B:TIME like 1k..10k:60s")]
    Form(String),
    /// A rate that is none.
    #[error("invalid stage `{stage}`: {reason}")]
    Rate {
        /// The whole.
        stage: String,
        /// Why.
        reason: InvalidRate,
    },
    /// A length that is none.
    #[error("invalid stage `{stage}`: {reason}")]
    Time {
        /// The whole.
        stage: String,
        /// Why.
        reason: InvalidTimeSpan,
    },
    /// A stage without requests.
    #[error("invalid stage `{0}`: no request would fall due; a ramp may begin or end at 0")]
    Empty(String),
}

impl Stage {
    /// So many requests per second for this time.
    pub fn constant(rate_per_s: f64, length_ns: Nanos) -> Self {
        Self { from_per_s: rate_per_s, to_per_s: rate_per_s, length_ns }
    }

    /// Whether its rate changes.
    #[expect(clippy::float_cmp, reason = "the rate of a stage is typed once and copied")]
    pub fn is_ramp(&self) -> bool {
        self.from_per_s != self.to_per_s
    }

    /// Requests that fall due in it, as a fraction.
    pub fn requests(&self) -> f64 {
        f64::midpoint(self.from_per_s, self.to_per_s) * (self.length_ns as f64 / 1e9)
    }

    /// Whether requests fall due in it, and at instants that can be computed.
    pub fn is_sensible(&self) -> bool {
        let rates = [self.from_per_s, self.to_per_s];
        let fit = rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0);
        fit && rates.iter().any(|rate| *rate > 0.0) && self.length_ns > 0
    }
}

impl FromStr for Stage {
    type Err = InvalidStage;

    fn from_str(text: &str) -> Result<Self, InvalidStage> {
        let (rates, length) =
            text.rsplit_once(':').ok_or_else(|| InvalidStage::Form(text.to_owned()))?;
        let rate = |typed: &str| match (typed.trim(), rates.contains("..")) {
            ("", _) => Err(InvalidStage::Form(text.to_owned())),
            ("0", true) => Ok(0.0),
            (typed, _) => typed
                .parse::<Rate>()
                .map(Rate::per_second)
                .map_err(|reason| InvalidStage::Rate { stage: text.to_owned(), reason }),
        };
        let (from, to) = rates.split_once("..").unwrap_or((rates, rates));
        let (from_per_s, to_per_s) = (rate(from)?, rate(to)?);
        let length: TimeSpan = length
            .trim()
            .parse()
            .map_err(|reason| InvalidStage::Time { stage: text.to_owned(), reason })?;
        let stage = Self { from_per_s, to_per_s, length_ns: nanos(length.0) };
        if stage.is_sensible() { Ok(stage) } else { Err(InvalidStage::Empty(text.to_owned())) }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |f: &mut fmt::Formatter<'_>, per_s| match Rate::new(per_s) {
            Some(rate) => write!(f, "{rate}"),
            None => f.write_str("0"),
        };
        rate(f, self.from_per_s)?;
        if self.is_ramp() {
            f.write_str("..")?;
            rate(f, self.to_per_s)?;
        }
        write!(f, ":{}", TimeSpan(std::time::Duration::from_nanos(self.length_ns)))
    }
}

/// A count of requests so near to a whole one is that: sums of products of rates and times
/// carry errors of rounding, and a request that is due when a stage begins belongs to it.
const ROUNDING: f64 = 1e-6;

/// The rate over time: stages one after the other. The n-th request is due when the area below
/// the rate is n, computed afresh from n, so that rounding never adds up.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
struct Segment {
    stage: Stage,
    /// When it begins.
    start: Nanos,
    /// Requests before it and until its end.
    before: f64,
    until: f64,
}

impl Profile {
    /// From the start of the load: a warm-up at the rate with which the first stage begins,
    /// then the stages.
    pub(super) fn new(warmup_ns: Nanos, stages: &[Stage]) -> Self {
        let first = stages.first().map_or(0.0, |stage| stage.from_per_s);
        let warmup = Stage::constant(first, warmup_ns);
        let (mut start, mut before) = (0, 0.0);
        let mut segments = Vec::with_capacity(stages.len() + 1);
        for &stage in std::iter::once(&warmup).chain(stages) {
            let until = snapped(before + stage.requests());
            segments.push(Segment { stage, start, before, until });
            (start, before) = (start.saturating_add(stage.length_ns), until);
        }
        Self { segments }
    }

    /// When the area is `requests`, which `place` remembers the stage of; `None` after the last.
    /// From call to call `requests` must not fall.
    pub(super) fn instant(&self, requests: f64, place: &mut usize) -> Option<Nanos> {
        while requests >= self.segments.get(*place)?.until {
            *place += 1;
        }
        let Segment { stage, start, before, .. } = self.segments.get(*place)?;
        let offset_ns = (requests - before).max(0.0) * SECOND as f64;
        let (from, to) = (stage.from_per_s, stage.to_per_s);
        let at_ns = if stage.is_ramp() {
            // The root of a quadratic in the form that loses no digits where the ramp is flat.
            let slope = (to - from) / stage.length_ns as f64;
            2.0 * offset_ns / (from + (from * from + 2.0 * slope * offset_ns).max(0.0).sqrt())
        } else {
            offset_ns / from
        };
        // Rounded up or down, it is of its stage.
        let last = stage.length_ns.saturating_sub(1);
        Some(start.saturating_add((at_ns as Nanos).min(last)))
    }
}

fn snapped(count: f64) -> f64 {
    let whole = count.round();
    if (count - whole).abs() < ROUNDING { whole } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_and_shown_as_they_are_typed() {
        for typed in ["1k:30s", "0.5:1m30s", "1k..10k:1m", "0..500:10s", "2500..0:1.5s"] {
            assert_eq!(typed.parse::<Stage>().unwrap().to_string(), typed);
        }
        for (wrong, said) in [
            ("1k", "write RATE:TIME"),
            ("1k:", "invalid duration"),
            (":30s", "write RATE:TIME"),
            ("1k..:30s", "write RATE:TIME"),
            ("fast:30s", "invalid rate `fast`"),
            ("0:30s", "invalid rate `0`"),
            ("0..0:30s", "no request would fall due"),
            ("1k:0s", "no request would fall due"),
        ] {
            let told = wrong.parse::<Stage>().unwrap_err().to_string();
            assert!(told.contains(said) && told.contains(wrong), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_ramp_is_linear_in_time() {
        // 0 to 100 per second within 10 s: 500 requests, a quarter of them in the first half.
        let profile = Profile::new(0, &["0..100:10s".parse().unwrap()]);
        let mut place = 0;
        assert_eq!(profile.instant(125.0, &mut place), Some(5 * SECOND));
        assert_eq!(profile.instant(500.0, &mut place), None);
        let falling = Profile::new(0, &["100..0:10s".parse().unwrap()]);
        assert_eq!(falling.instant(375.0, &mut 0), Some(5 * SECOND));
    }
}
