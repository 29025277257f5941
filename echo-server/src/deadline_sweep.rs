//! When to check deadlines: [`DeadlineSweep`]. Deadlines move with every byte, so none is
//! kept; all connections are looked at when the soonest could have passed.

use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

use crate::session::NEVER;

/// Least time between two looks; deadlines are kept to this precision.
const INTERVAL: Nanos = 20 * MILLISECOND;

/// The instant of the next look at all connections.
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

    /// A connection has this deadline; it may move later without telling. Whether the next
    /// look is sooner for it.
    pub(crate) fn expect(&self, deadline: Nanos) -> bool {
        let at = deadline.max(self.last.load(Ordering::Relaxed).saturating_add(INTERVAL));
        at < self.at.load(Ordering::Relaxed) && self.at.fetch_min(at, Ordering::Relaxed) > at
    }

    /// The instant of the next look; [`NEVER`] for none.
    pub(crate) fn at(&self) -> Nanos {
        self.at.load(Ordering::Relaxed)
    }

    /// Whether to look now. If so, all deadlines are to be told again.
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
