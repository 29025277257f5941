//! Counts of a pool: [`PoolCounts`].

use std::ops::AddAssign;

use crate::connection::Unfit;

/// Why a connection is not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The server has closed it.
    Closed,
    /// It holds unsolicited bytes.
    Unsolicited,
    /// Its idle lifetime is over.
    Idle,
    /// It has reached its maximum number of requests.
    Used,
    /// A request on it failed, or its caller was cancelled.
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

/// Connections that were not reused, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Closed by the server.
    pub closed: u64,
    /// With unsolicited bytes.
    pub unsolicited: u64,
    /// Idle for too long.
    pub idle: u64,
    /// With their maximum number of requests.
    pub used: u64,
    /// With a failed request or a cancelled caller.
    pub broken: u64,
}

impl Discarded {
    /// The total.
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

/// Counts of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Connections opened.
    pub created: u64,
    /// Reuses of connections.
    pub reused: u64,
    /// Connections that were not reused, by cause.
    pub discarded: Discarded,
    /// Connections that failed to open.
    pub connect_failures: u64,
    /// Callers whose wait timed out because all connections were in use.
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
