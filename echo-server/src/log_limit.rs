//! Rate limit of log lines: [`LogLimit`]. A flood of refused connections must not flood the
//! log.

use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::SECOND;

/// Passes a number of events per period, by default one per five seconds, and counts the others.
#[derive(Debug)]
pub(crate) struct LogLimit {
    /// Events that may pass in a period.
    most: u64,
    period: Nanos,
    /// When the next period may begin.
    open_at: AtomicU64,
    /// Events of this period.
    events: AtomicU64,
    suppressed: AtomicU64,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new(1, 5 * SECOND)
    }
}

impl LogLimit {
    /// Passes the first `most` events, at least one, of each `period`. A period begins with an
    /// event.
    pub(crate) fn new(most: u64, period: Nanos) -> Self {
        Self {
            most,
            period,
            open_at: AtomicU64::new(0),
            events: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Whether this event may be logged: if so, the number suppressed since the last.
    pub(crate) fn pass(&self, now: Nanos) -> Option<u64> {
        let Self { period, open_at, events, suppressed, .. } = self;
        let open = open_at.load(Ordering::Relaxed);
        let begins = now >= open
            && open_at
                .compare_exchange(open, now + period, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if begins {
            events.store(1, Ordering::Relaxed);
        } else if events.fetch_add(1, Ordering::Relaxed) >= self.most {
            suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.take_suppressed())
    }

    /// The number suppressed since the last event that passed, which is not told again.
    pub(crate) fn take_suppressed(&self) -> u64 {
        self.suppressed.swap(0, Ordering::Relaxed)
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

    #[test]
    fn a_burst_passes_up_to_the_limit_of_its_period() {
        let limit = LogLimit::new(2, SECOND);
        let passed = |at: Nanos| limit.pass(at * SECOND / 10);
        assert_eq!([10, 11, 12, 19].map(passed), [Some(0), Some(0), None, None]);
        assert_eq!([20, 21, 22].map(passed), [Some(2), Some(0), None]);
        assert_eq!(passed(90), Some(1));
        assert_eq!([91, 92, 93].map(passed), [Some(0), None, None]);
        assert_eq!((limit.take_suppressed(), limit.take_suppressed()), (2, 0));
    }
}
