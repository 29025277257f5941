//! Rate limit of log lines: [`LogLimit`]. A flood of refused connections must not flood the
//! log.

use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::SECOND;

/// Interval in which at most one line is logged.
const PERIOD: Nanos = 5 * SECOND;

/// Passes one event per five seconds and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    /// When the next event may pass.
    open_at: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    /// Whether this event may be logged: if so, the number suppressed since the last.
    pub(crate) fn pass(&self, now: Nanos) -> Option<u64> {
        let open_at = self.open_at.load(Ordering::Relaxed);
        let mine = now >= open_at
            && self
                .open_at
                .compare_exchange(open_at, now + PERIOD, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_in_five_seconds_and_tells_of_the_others() {
        let limit = LogLimit::default();
        assert_eq!(limit.pass(SECOND), Some(0));
        assert_eq!(limit.pass(2 * SECOND), None);
        assert_eq!(limit.pass(5 * SECOND), None);
        assert_eq!(limit.pass(6 * SECOND), Some(2));
        assert_eq!(limit.pass(7 * SECOND), None);
    }
}
