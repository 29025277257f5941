//! What became of the connections of a pool: [`PoolCounts`].

use std::ops::AddAssign;

use crate::connection::Unfit;

/// Why a connection is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The server closed it.
    Closed,
    /// It holds bytes that no request asked for.
    Unsolicited,
    /// It idled too long.
    Idle,
    /// It served its number of requests.
    Used,
    /// A request on it failed, or its caller gave up.
    Broken,
}

impl From<Unfit> for Cause {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Closed => Self::Closed,
            Unfit::Unsolicited => Self::Unsolicited,
        }
    }
}

/// Connections that were not used again, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discarded {
    /// The server had closed them.
    pub closed: u64,
    /// They held bytes that no request had asked for.
    pub unsolicited: u64,
    /// They had idled too long.
    pub idle: u64,
    /// They had served their number of requests.
    pub used: u64,
    /// A request on them failed, or its caller gave up.
    pub broken: u64,
}

impl Discarded {
    /// For whatever cause.
    pub fn total(&self) -> u64 {
        let Self { closed, unsolicited, idle, used, broken } = self;
        closed + unsolicited + idle + used + broken
    }

    /// Counts one.
    pub fn count(&mut self, cause: Cause) {
        *match cause {
            Cause::Closed => &mut self.closed,
            Cause::Unsolicited => &mut self.unsolicited,
            Cause::Idle => &mut self.idle,
            Cause::Used => &mut self.used,
            Cause::Broken => &mut self.broken,
        } += 1;
    }
}

/// What became of the connections of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Connections made.
    pub created: u64,
    /// Times that a connection was given out again.
    pub reused: u64,
    /// Connections that were not used again, by cause.
    pub discarded: Discarded,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Callers who gave up waiting, as all connections were in use.
    pub wait_timeouts: u64,
}

impl AddAssign for PoolCounts {
    fn add_assign(&mut self, other: Self) {
        let Self { created, reused, discarded, connect_failures, wait_timeouts } = other;
        let Discarded { closed, unsolicited, idle, used, broken } = discarded;
        self.created += created;
        self.reused += reused;
        self.discarded.closed += closed;
        self.discarded.unsolicited += unsolicited;
        self.discarded.idle += idle;
        self.discarded.used += used;
        self.discarded.broken += broken;
        self.connect_failures += connect_failures;
        self.wait_timeouts += wait_timeouts;
    }
}
