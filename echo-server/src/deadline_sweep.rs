//! When to check deadlines: [`DeadlineSweep`]. Deadlines move with every byte, so none is
//! stored; all connections are checked when the earliest could have passed.

use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

use crate::session::NEVER;

/// Minimum time between two sweeps, which is the precision of deadlines.
const INTERVAL: Nanos = 20 * MILLISECOND;

/// Time of the next sweep over all connections.
#[derive(Debug)]
pub(crate) struct DeadlineSweep {
    at: AtomicU64,
    last: AtomicU64,
}

impl DeadlineSweep {
    /// Nothing to check yet.
    pub(crate) fn new() -> Self {
        Self { at: AtomicU64::new(NEVER), last: AtomicU64::new(0) }
    }

    /// Registers a connection's deadline, which may move later without notice. Whether the next
    /// sweep becomes earlier.
    pub(crate) fn expect(&self, deadline: Nanos) -> bool {
        let at = deadline.max(self.last.load(Ordering::Relaxed).saturating_add(INTERVAL));
        at < self.at.load(Ordering::Relaxed) && self.at.fetch_min(at, Ordering::Relaxed) > at
    }

    /// Time of the next sweep; [`NEVER`] for none.
    pub(crate) fn at(&self) -> Nanos {
        self.at.load(Ordering::Relaxed)
    }

    /// Whether to sweep now. If so, all deadlines must be registered again.
    pub(crate) fn is_due(&self, now: Nanos) -> bool {
        let due = now >= self.at();
        if due {
            self.last.store(now, Ordering::Relaxed);
            self.at.store(NEVER, Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_soonest_deadline_but_not_too_often() {
        let sweep = DeadlineSweep::new();
        assert!(!sweep.is_due(NEVER - 1));
        assert!(sweep.expect(500 * MILLISECOND));
        assert!(sweep.expect(100 * MILLISECOND));
        assert!(!sweep.expect(200 * MILLISECOND));
        assert!(!sweep.is_due(99 * MILLISECOND));
        assert!(sweep.is_due(101 * MILLISECOND));
        assert!(!sweep.is_due(NEVER - 1), "told nothing since");
        sweep.expect(102 * MILLISECOND);
        assert_eq!(sweep.at(), 121 * MILLISECOND);
    }
}
