//! What became of the connections of a pool: [`PoolReport`].

use std::ops::Add;

use echo_client::pool::{Discarded, PoolCounts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Connections of a pool, set-up and warm-up included. How long requests waited for one is
/// part of `latency.wait`; how long they took to make is `latency.connect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolReport {
    /// Made.
    pub created: u64,
    /// Given out again after they had been used.
    pub reused: u64,
    /// Not used again, as the server had closed them.
    pub discarded_closed: u64,
    /// Not used again, as bytes had arrived that nobody had asked for.
    pub discarded_unsolicited: u64,
    /// Not used again, as they had idled for too long.
    pub discarded_idle: u64,
    /// Not used again, as they had served their number of requests.
    pub discarded_used: u64,
    /// Not used again, as a request on them had failed or was given up.
    pub discarded_broken: u64,
    /// Could not be made.
    pub connect_failures: u64,
    /// Callers who got none in time, as all were in use.
    pub wait_timeouts: u64,
}

impl From<PoolCounts> for PoolReport {
    fn from(facts: PoolCounts) -> Self {
        let PoolCounts { created, reused, discarded, connect_failures, wait_timeouts } = facts;
        let Discarded { closed, unsolicited, idle, used, broken } = discarded;
        Self {
            created,
            reused,
            discarded_closed: closed,
            discarded_unsolicited: unsolicited,
            discarded_idle: idle,
            discarded_used: used,
            discarded_broken: broken,
            connect_failures,
            wait_timeouts,
        }
    }
}

impl Add for PoolReport {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            reused: self.reused + other.reused,
            discarded_closed: self.discarded_closed + other.discarded_closed,
            discarded_unsolicited: self.discarded_unsolicited + other.discarded_unsolicited,
            discarded_idle: self.discarded_idle + other.discarded_idle,
            discarded_used: self.discarded_used + other.discarded_used,
            discarded_broken: self.discarded_broken + other.discarded_broken,
            connect_failures: self.connect_failures + other.connect_failures,
            wait_timeouts: self.wait_timeouts + other.wait_timeouts,
        }
    }
}

impl PoolReport {
    /// Every count that is worth a word, with its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("made", self.created),
            ("reused", self.reused),
            ("closed by the server", self.discarded_closed),
            ("with stray bytes", self.discarded_unsolicited),
            ("idle for too long", self.discarded_idle),
            ("used up", self.discarded_used),
            ("broken", self.discarded_broken),
            ("not to be made", self.connect_failures),
            ("not free in time", self.wait_timeouts),
        ]
        .into_iter()
        .enumerate()
        .filter(|(place, (_, count))| *place < 2 || *count > 0)
        .map(|(_, count)| count)
    }
}
