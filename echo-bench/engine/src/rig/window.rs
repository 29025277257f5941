//! When a thread's load begins and ends: [`Window`], its view of the run's [`Timeline`] and of
//! the stop latch. Warm-up, the measured window, the drain, an interruption.

use std::ops::Range;

use echo_net::Nanos;
use echo_net::stop::{Stage, Stop};

use super::draining::Draining;
use crate::plan::Plan;
use crate::timeline::Timeline;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Window {
    draining: Draining,
    /// There once the load is to begin.
    timeline: Option<Timeline>,
    /// A copy of the timeline's, refreshed each turn.
    range: Range<Nanos>,
    /// How long a number of requests is waited for without any sign of the server.
    patience_ns: Nanos,
    /// Since when replies have been outstanding, without a successful one since.
    outstanding_since: Option<Nanos>,
}

impl Window {
    pub(super) fn new(plan: &Plan, stop: Stop) -> Self {
        Self {
            draining: Draining::new(stop, plan.drain_ns),
            timeline: None,
            range: Nanos::MAX..Nanos::MAX,
            patience_ns: plan.timeout_ns.saturating_add(plan.drain_ns),
            outstanding_since: None,
        }
    }

    pub(super) fn begin(&mut self, timeline: Timeline) {
        self.range = timeline.window_start..timeline.window_end();
        self.timeline = Some(timeline);
    }

    /// Whether the user wants no more.
    pub(super) fn is_stopping(&self) -> bool {
        self.draining.stop().stage() > Stage::Running
    }

    /// Ends the run at once: there is nothing to be measured.
    pub(super) fn abort(&self) {
        self.draining.stop().advance(Stage::Forced);
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
            self.draining.look(now, timeline);
            self.range.end = timeline.window_end();
        }
    }

    /// Notes whether replies are outstanding, for a run that ends after a number of requests.
    /// While none are, silence means nothing; a timeout does not settle an outstanding reply.
    pub(super) fn watch(
        &mut self,
        now: Nanos,
        last_answer: Option<Nanos>,
        is_expecting: impl FnOnce() -> bool,
    ) {
        if self.range.end == Nanos::MAX {
            self.outstanding_since =
                self.outstanding_since.filter(|&since| last_answer < Some(since));
            if self.outstanding_since.is_none() && is_expecting() {
                self.outstanding_since = Some(now);
            }
        }
    }

    /// Whether a number of requests can't be reached any more: replies were outstanding, and no
    /// successful reply came for so long that the server must be gone.
    pub(super) fn is_out_of_patience(&self, now: Nanos, last_answer: Option<Nanos>) -> bool {
        let Some(since) = self.outstanding_since else { return false };
        let last_sign = since.max(last_answer.unwrap_or(0)).max(self.range.start);
        self.range.end == Nanos::MAX && now > last_sign.saturating_add(self.patience_ns)
    }

    /// Whether the run is over: past its window, nothing is waited for any more. `unfinished`
    /// tells whether anything of the window still lacks its reply.
    pub(super) fn is_over(&self, now: Nanos, unfinished: impl FnOnce() -> bool) -> bool {
        let drained = |timeline| self.draining.is_over(now, timeline, unfinished);
        (now >= self.range.end || self.is_spent()) && self.timeline.as_ref().is_none_or(drained)
    }
}
