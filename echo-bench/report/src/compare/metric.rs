//! What is compared: [`Metric`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::QUANTILES;

/// A number by which two sides are compared: the primary ones, which are judged, and after them
/// those that explain what becomes of the others, which are judged where that is asked for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Successful replies per second.
    Throughput,
    /// The median response latency, in nanoseconds.
    P50,
    /// Its quantile 0.9.
    P90,
    /// Its quantile 0.99.
    P99,
    /// Its quantile 0.999.
    #[serde(rename = "p99.9")]
    #[strum(serialize = "p99.9")]
    P999,
    /// The greatest response latency of a run, in nanoseconds (over several runs, the
    /// geometric mean).
    Max,
    /// CPU of the generator per successful reply, in microseconds.
    ClientCpu,
    /// CPU of the server per successful reply, in microseconds.
    ServerCpu,
    /// Requests without a successful reply, as a share of all.
    Errors,
    /// The median response latency without the generator's own share (late sends, slow pickup),
    /// in nanoseconds, of the requests whose replies the kernel stamped.
    CorrectedP50,
    /// The same of the quantile 0.9.
    CorrectedP90,
    /// The same of the quantile 0.99.
    CorrectedP99,
    /// The same of the quantile 0.999.
    #[serde(rename = "corrected_p99.9")]
    #[strum(serialize = "corrected_p99.9")]
    CorrectedP999,
    /// The same of the greatest latency.
    CorrectedMax,
    /// Jain's index of the replies per connection, from 0 to 1 (over several runs, the geometric
    /// mean).
    Fairness,
    /// The messages of the busiest worker of the embedded server by the mean of all its workers:
    /// 1 where all got the same (over several runs, the geometric mean).
    WorkerSkew,
}

impl Metric {
    /// The metrics that every comparison judges, the first of all.
    pub const PRIMARY: [Self; 9] = [
        Self::Throughput,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::ClientCpu,
        Self::ServerCpu,
        Self::Errors,
    ];

    /// Whether it is one that explains others.
    pub fn explains(self) -> bool {
        !Self::PRIMARY.contains(&self)
    }

    /// The same latency without the generator's own share; `None` of what is no latency, or is
    /// without it already.
    pub fn corrected(self) -> Option<Self> {
        match self {
            Self::P50 => Some(Self::CorrectedP50),
            Self::P90 => Some(Self::CorrectedP90),
            Self::P99 => Some(Self::CorrectedP99),
            Self::P999 => Some(Self::CorrectedP999),
            Self::Max => Some(Self::CorrectedMax),
            _ => None,
        }
    }

    /// Whether it is a latency without the generator's own share.
    pub(crate) fn is_corrected(self) -> bool {
        self.explains() && !matches!(self, Self::Fairness | Self::WorkerSkew)
    }

    /// Whether it is the greatest latency, the generator's share included or not.
    pub(super) fn is_max(self) -> bool {
        matches!(self, Self::Max | Self::CorrectedMax)
    }

    /// The name of the quantile that it is, if it is one.
    pub(crate) fn quantile_name(self) -> Option<&'static str> {
        match self {
            Self::P50 | Self::CorrectedP50 => Some("p50"),
            Self::P90 | Self::CorrectedP90 => Some("p90"),
            Self::P99 | Self::CorrectedP99 => Some("p99"),
            Self::P999 | Self::CorrectedP999 => Some("p99.9"),
            _ => None,
        }
    }

    /// The quantile that it is, if it is one.
    pub fn quantile(self) -> Option<f64> {
        let name = self.quantile_name()?;
        QUANTILES.iter().find(|known| known.name == name).map(|known| known.quantile)
    }

    /// The least and the greatest value that it can have.
    pub(super) fn range(self) -> [f64; 2] {
        match self {
            Self::Fairness | Self::Errors => [0.0, 1.0],
            // The busiest of all can't do less than the mean.
            Self::WorkerSkew => [1.0, f64::INFINITY],
            _ => [0.0, f64::INFINITY],
        }
    }

    /// Whether more of it is better.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Throughput | Self::Fairness)
    }

    /// Whether sides are compared by their ratio. A share of errors may well be zero, so it
    /// is compared by its difference.
    pub(crate) fn is_by_ratio(self) -> bool {
        self != Self::Errors
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn primary_metrics_come_first_and_each_latency_has_its_corrected_one() {
        assert!(Metric::VARIANTS.starts_with(&Metric::PRIMARY), "places count in lists");
        for metric in Metric::PRIMARY {
            let latency = metric.quantile().is_some() || metric == Metric::Max;
            let corrected = metric.corrected();
            assert_eq!(corrected.is_some(), latency, "{metric}");
            if let Some(corrected) = corrected {
                assert!(corrected.is_corrected() && corrected.explains());
                assert_eq!(corrected.quantile_name(), metric.quantile_name());
                assert_eq!(corrected.to_string(), format!("corrected_{metric}"));
            }
        }
    }

    #[test]
    fn names_in_json_are_those_of_flags() {
        for metric in Metric::VARIANTS {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.to_string());
        }
    }
}
