//! How much load, and for how long: [`Load`] and [`StopRule`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;

use crate::schedule::Arrival;

/// The load model. The two are never compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "model")]
pub enum Load {
    /// A connection sends when it has a free slot.
    Closed {
        /// Slots per connection: requests in flight.
        pipeline: u32,
    },
    /// Requests fall due on a schedule that the server can't slow.
    Open {
        /// Requests per second over all connections.
        rate_per_s: f64,
        /// How they are spread over time.
        arrival: Arrival,
        /// Slots per connection; a due request that finds none waits, and that counts.
        pipeline: u32,
    },
}

impl Load {
    /// Requests that may be in flight on one connection.
    pub fn pipeline(&self) -> u32 {
        match *self {
            Self::Closed { pipeline } | Self::Open { pipeline, .. } => pipeline,
        }
    }

    /// Requests per second over all connections; none in a closed loop.
    pub fn rate_per_s(&self) -> Option<f64> {
        match *self {
            Self::Closed { .. } => None,
            Self::Open { rate_per_s, .. } => Some(rate_per_s),
        }
    }

    /// Whether requests fall due on a schedule.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// When the measured window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum StopRule {
    /// After this time.
    Duration {
        /// In nanoseconds.
        duration_ns: Nanos,
    },
    /// After this many requests.
    Requests {
        /// In total.
        requests: u64,
    },
}
