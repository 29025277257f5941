//! When a thread's load begins and ends: [`Window`], its view of the run's [`Timeline`] and of
//! the stop latch. Warm-up, the measured window, the drain, an interruption.

use std::ops::Range;

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::stop::{Stage, Stop};

use crate::engine::timeline::Timeline;
use crate::plan::Plan;

/// How long replies are still waited for after a signal: whoever presses Ctrl-C wants the
/// report, not the timeout.
const DRAIN_AFTER_SIGNAL: Nanos = 500 * MILLISECOND;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Window {
    stop: Stop,
    /// There once the load is to begin.
    timeline: Option<Timeline>,
    /// A copy of the timeline's, refreshed each turn.
    range: Range<Nanos>,
    /// When the stop latch was first seen to be on.
    stopped_at: Option<Nanos>,
    drain_ns: Nanos,
    /// How long a number of requests is waited for without any sign of the server.
    patience_ns: Nanos,
}

impl Window {
    pub(super) fn new(plan: &Plan, stop: Stop) -> Self {
        Self {
            stop,
            timeline: None,
            range: Nanos::MAX..Nanos::MAX,
            stopped_at: None,
            drain_ns: plan.drain_ns,
            patience_ns: plan.timeout_ns.saturating_add(plan.drain_ns),
        }
    }

    pub(super) fn begin(&mut self, timeline: Timeline) {
        self.range = timeline.window_start..timeline.window_end();
        self.timeline = Some(timeline);
    }

    /// Whether the user wants no more.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.stage() > Stage::Running
    }

    /// The measured window.
    pub(crate) fn range(&self) -> Range<Nanos> {
        self.range.clone()
    }

    /// Where the measured window begins; at the end of time before the load.
    pub(crate) fn start(&self) -> Nanos {
        self.range.start
    }

    /// Where it ends; at the end of time while a number of requests decides.
    pub(crate) fn end(&self) -> Nanos {
        self.range.end
    }

    /// Whether `at` lies in the measured window.
    pub(crate) fn contains(&self, at: Nanos) -> bool {
        self.range.contains(&at)
    }

    /// Whether the load has begun by `now`.
    pub(crate) fn has_begun(&self, now: Nanos) -> bool {
        self.timeline.as_ref().is_some_and(|timeline| now >= timeline.start)
    }

    /// Claims up to `wanted` requests of the window; how many were granted.
    #[inline]
    pub(crate) fn claim(&self, wanted: u64) -> u64 {
        self.timeline.as_ref().map_or(0, |timeline| timeline.claim(wanted))
    }

    /// Whether a number of requests decides when the window ends.
    pub(crate) fn counts_requests(&self) -> bool {
        self.timeline.as_ref().is_some_and(Timeline::counts_requests)
    }

    /// Whether there will be no more requests of the window: all are claimed.
    pub(crate) fn is_spent(&self) -> bool {
        self.timeline.as_ref().is_none_or(Timeline::is_spent)
    }

    pub(super) fn tend(&mut self, now: Nanos) {
        if let Some(timeline) = &self.timeline {
            self.range.end = timeline.window_end();
        }
        if self.is_stopping() {
            self.stopped_at.get_or_insert(now);
        }
    }

    /// Whether everything is to end at once; then the window ends too.
    pub(super) fn is_cut(&mut self, now: Nanos) -> bool {
        let cut = self.stop.stage() == Stage::Forced;
        if cut && let Some(timeline) = &self.timeline {
            timeline.interrupt(now);
            self.range.end = timeline.window_end();
        }
        cut
    }

    /// Whether a number of requests can't be reached any more: no right reply came for so
    /// long that the server must be gone.
    pub(super) fn is_out_of_patience(&self, now: Nanos, last_answer: Option<Nanos>) -> bool {
        let last_sign = last_answer.unwrap_or(0).max(self.range.start);
        self.range.end == Nanos::MAX && now > last_sign.saturating_add(self.patience_ns)
    }

    /// Whether no request of the window is asked any more.
    pub(super) fn is_past(&self, now: Nanos) -> bool {
        now >= self.range.end || self.is_spent()
    }

    /// Whether the drain is over.
    pub(super) fn is_drained(&self, now: Nanos) -> bool {
        let mut end = self.range.end.saturating_add(self.drain_ns);
        if let Some(stopped_at) = self.stopped_at {
            end = end.min(stopped_at.saturating_add(DRAIN_AFTER_SIGNAL));
        }
        now >= end
    }
}
