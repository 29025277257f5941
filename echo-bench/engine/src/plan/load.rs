//! How much load, and for how long: [`Load`] and [`StopRule`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;

use crate::schedule::{Arrival, Recorded, Schedule, Stage};

/// The load model. Closed and open loop are never compared with each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// An open loop whose rate changes: stages, one after the other, which make the window.
    Staged {
        /// In order. One stage with one rate is an open loop as above.
        stages: Vec<Stage>,
        /// How requests are spread over time.
        arrival: Arrival,
        /// As of an open loop.
        pipeline: u32,
    },
    /// An open loop whose requests fall due at recorded instants.
    Recorded {
        /// They.
        arrivals: Recorded,
        /// As of an open loop.
        pipeline: u32,
    },
}

impl Load {
    /// Requests that may be in flight on one connection.
    pub fn pipeline(&self) -> u32 {
        match *self {
            Self::Closed { pipeline }
            | Self::Open { pipeline, .. }
            | Self::Staged { pipeline, .. }
            | Self::Recorded { pipeline, .. } => pipeline,
        }
    }

    /// Requests per second over all connections; none in a closed loop, and where it changes.
    pub fn rate_per_s(&self) -> Option<f64> {
        match *self {
            Self::Open { rate_per_s, .. } => Some(rate_per_s),
            _ => None,
        }
    }

    /// The highest rate of a schedule that has rates.
    pub(crate) fn highest_rate_per_s(&self) -> f64 {
        match self {
            Self::Open { rate_per_s, .. } => *rate_per_s,
            Self::Staged { stages, .. } => {
                let rates = stages.iter().flat_map(|stage| [stage.from_per_s, stage.to_per_s]);
                rates.fold(0.0, f64::max)
            }
            _ => 0.0,
        }
    }

    /// Whether requests fall due on a schedule.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    /// Whether the rate changes within the window, so that no percentile is of all of it.
    pub fn is_staged(&self) -> bool {
        matches!(self, Self::Staged { .. } | Self::Recorded { .. })
    }

    /// When the stages end, in nanoseconds after the beginning of the window; recorded instants
    /// are one stage. None of a load whose rate does not change.
    pub fn stage_ends(&self) -> Vec<Nanos> {
        match self {
            Self::Closed { .. } | Self::Open { .. } => Vec::new(),
            Self::Recorded { arrivals, .. } => vec![arrivals.length_ns()],
            Self::Staged { stages, .. } => {
                let end = |sum: &mut Nanos, stage: &Stage| {
                    *sum = sum.saturating_add(stage.length_ns);
                    Some(*sum)
                };
                stages.iter().scan(0, end).collect()
            }
        }
    }

    /// Whether the rate of a stage stays, so that its requests are timed as one sample.
    pub fn is_constant(&self, stage: usize) -> bool {
        match self {
            Self::Staged { stages, .. } => stages.get(stage).is_some_and(|one| !one.is_ramp()),
            _ => false,
        }
    }

    /// The stages whose rate stays, as they are typed, each with its number from 1.
    pub fn constant_stages(&self) -> Vec<String> {
        let Self::Staged { stages, .. } = self else { return Vec::new() };
        let constant = (1..).zip(stages).filter(|(_, stage)| !stage.is_ramp());
        constant.map(|(number, stage)| format!("{number} {stage}")).collect()
    }

    /// When requests fall due; none in a closed loop.
    pub fn schedule(&self, seed: u64, warmup_ns: Nanos) -> Option<Schedule> {
        match self {
            Self::Closed { .. } => None,
            &Self::Open { rate_per_s, arrival, .. } => {
                Some(Schedule::even(seed, rate_per_s, arrival))
            }
            Self::Staged { stages, arrival, .. } => {
                Some(Schedule::staged(seed, warmup_ns, stages, *arrival))
            }
            Self::Recorded { arrivals, .. } => Some(Schedule::recorded(warmup_ns, arrivals)),
        }
    }

    /// The same load in its plainest form.
    pub(super) fn simplified(self) -> Self {
        match self {
            Self::Staged { stages, arrival, pipeline }
                if stages.len() == 1 && !stages[0].is_ramp() =>
            {
                Self::Open { rate_per_s: stages[0].from_per_s, arrival, pipeline }
            }
            other => other,
        }
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
