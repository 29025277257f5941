//! Statistics of a balancer: [`BalanceSummary`], counted in [`BalanceCounters`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counted::counted;

/// Statistics of a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct BalanceSummary {
    /// Connections accepted by a backend.
    pub connections: u64,
    /// Connections without a reachable backend.
    pub unserved: u64,
    /// Connections open when the stop was forced; they were reset.
    pub cut: u64,
    /// Connections of which one side was reset or failed, whereupon the other was reset.
    pub reset: u64,
    /// Connections reset at the half-close timeout.
    pub timed_out: u64,
    /// Those of the unserved for which the balancer had no local port, descriptor or memory.
    pub exhausted: u64,
}

impl fmt::Display for BalanceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, unserved, cut, reset, timed_out, exhausted } = self;
        write!(
            f,
            "{}, {unserved} unserved, {cut} aborted, {reset} reset, {timed_out} timed out, \
             {exhausted} short of ports or descriptors",
            counted(*connections, "connection")
        )
    }
}

/// A [`BalanceSummary`] that all connections update. Each does so once or twice, so contention
/// does not matter.
#[derive(Debug, Default)]
pub(super) struct BalanceCounters {
    pub(super) connections: AtomicU64,
    pub(super) unserved: AtomicU64,
    pub(super) reset: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) exhausted: AtomicU64,
}

impl BalanceCounters {
    /// The counts so far.
    pub(super) fn read(&self) -> BalanceSummary {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        BalanceSummary {
            connections: read(&self.connections),
            unserved: read(&self.unserved),
            cut: 0,
            reset: read(&self.reset),
            timed_out: read(&self.timed_out),
            exhausted: read(&self.exhausted),
        }
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
