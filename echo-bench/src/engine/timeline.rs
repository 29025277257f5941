//! When a run's phases begin and end: [`Timeline`], shared by all workers. Warm-up, then the
//! measured window, then the drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;

use crate::plan::{Plan, StopRule};

/// The instants of one run.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// Load begins.
    pub start: Nanos,
    /// The measured window begins.
    pub window_start: Nanos,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The window ends before this instant; brought forward by an interruption.
    window_end: AtomicU64,
    /// Requests of the window that nobody has claimed yet.
    budget: AtomicU64,
    counts_requests: bool,
}

impl Timeline {
    /// The timeline of a plan whose load begins at `start`.
    pub(super) fn new(plan: &Plan, start: Nanos) -> Self {
        let window_start = start + plan.warmup_ns;
        let (window_end, budget) = match plan.stop {
            StopRule::Duration { duration_ns } => (window_start + duration_ns, u64::MAX),
            StopRule::Requests { requests } => (Nanos::MAX, requests),
        };
        let shared = Shared {
            window_end: AtomicU64::new(window_end),
            budget: AtomicU64::new(budget),
            counts_requests: matches!(plan.stop, StopRule::Requests { .. }),
        };
        Self { start, window_start, shared: Arc::new(shared) }
    }

    /// The end of the measured window; `Nanos::MAX` while a number of requests decides.
    pub(super) fn window_end(&self) -> Nanos {
        self.shared.window_end.load(Ordering::Acquire)
    }

    /// Ends the window at `now`, if it would end later.
    pub(super) fn interrupt(&self, now: Nanos) {
        self.shared.window_end.fetch_min(now, Ordering::AcqRel);
    }

    /// Claims up to `wanted` requests of the window; how many were granted.
    #[inline]
    pub(super) fn claim(&self, wanted: u64) -> u64 {
        if !self.shared.counts_requests {
            return wanted;
        }
        let mut granted = 0;
        // The closure never refuses, so this can't fail.
        let _ = self.shared.budget.try_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            granted = left.min(wanted);
            Some(left - granted)
        });
        granted
    }

    /// Whether all requests of the window are claimed.
    pub(super) fn is_spent(&self) -> bool {
        self.shared.budget.load(Ordering::Acquire) == 0
    }
}
