//! What is compared: [`Metric`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number by which two sides are compared.
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
}

impl Metric {
    /// The quantile that it is, if it is one.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P99 => Some(0.99),
            Self::P999 => Some(0.999),
            _ => None,
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        self == Self::Throughput
    }

    /// Whether sides are compared by their ratio. A share of errors may well be zero, so it
    /// is compared by its difference.
    pub fn is_by_ratio(self) -> bool {
        self != Self::Errors
    }
}
