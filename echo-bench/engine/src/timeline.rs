//! When a run's phases begin and end: [`Timeline`], shared by all workers. Warm-up, then the
//! measured window, then the drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};

use crate::plan::{EARLIEST_END, Plan, StopRule};

/// The instants of one run.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// Load begins.
    pub start: Nanos,
    /// The measured window begins.
    pub(super) window_start: Nanos,
    interval_ns: Nanos,
    pieces_per_interval: u64,
    outlived: Nanos,
    /// When each stage ends, and whether its rate stays; empty where the rate never changes.
    stages: Arc<[(Nanos, bool)]>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The window ends before this instant; brought forward by an interruption.
    window_end: AtomicU64,
    /// Whether a signal ended the run before its time. Told by those who end it, since
    /// nothing else tells an end that was brought forward from one that was planned.
    interrupted: AtomicBool,
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
            StopRule::Requests { requests } => {
                (Nanos::MAX, plan.own_requests().unwrap_or(requests))
            }
        };
        let shared = Shared {
            window_end: AtomicU64::new(window_end),
            interrupted: AtomicBool::new(false),
            budget: AtomicU64::new(budget),
            counts_requests: matches!(plan.stop, StopRule::Requests { .. }),
        };
        let (interval_ns, shared) = (plan.interval_ns, Arc::new(shared));
        let pieces_per_interval = pieces_per_interval(plan);
        let outlived = window_start.saturating_add(shortest(plan) / 10);
        let ends = plan.load.stage_ends().into_iter().enumerate();
        let end =
            |(place, end)| (window_start.saturating_add(end), plan.load.is_constant(place));
        let stages = ends.map(end).collect();
        Self { start, window_start, interval_ns, pieces_per_interval, outlived, stages, shared }
    }

    /// The end of a piece of the window: workers hand in what they measured piece by piece,
    /// and a whole number of them makes an interval, to the nanosecond.
    pub(super) fn piece_end(&self, index: u64) -> Nanos {
        // Computed afresh each time: a rounded length, added up, would miss the ends of the
        // intervals and leave a last one without length behind.
        let ended = u128::from(index) + 1;
        let offset =
            ended * u128::from(self.interval_ns) / u128::from(self.pieces_per_interval);
        self.window_start.saturating_add(Nanos::try_from(offset).unwrap_or(Nanos::MAX))
    }

    /// The end of the measured window; `Nanos::MAX` while a number of requests decides.
    pub(super) fn window_end(&self) -> Nanos {
        self.shared.window_end.load(Ordering::Acquire)
    }

    /// From when on a request of the warm-up that has no reply yet counts in the window: a
    /// tenth of the shortest that it may be has passed, or a second where a number of requests
    /// decides. One that was merely under way when the window began is of no concern to it.
    pub(super) fn outlived(&self) -> Nanos {
        self.outlived
    }

    /// When each stage of the load ends, and whether its rate stays; empty where the rate never
    /// changes.
    pub(super) fn stages(&self) -> Arc<[(Nanos, bool)]> {
        Arc::clone(&self.stages)
    }

    /// The window ends at `at`, if it would end later: enough is known. Threads must have time
    /// to see it before.
    pub(super) fn finish(&self, at: Nanos) {
        self.shared.window_end.fetch_min(at, Ordering::AcqRel);
    }

    /// A signal ends the window at `now`, if it would end later.
    pub(super) fn interrupt(&self, now: Nanos) {
        if self.shared.window_end.fetch_min(now, Ordering::AcqRel) > now {
            self.shared.interrupted.store(true, Ordering::Release);
        }
    }

    /// A signal ends the wait for replies that might still have come.
    pub(super) fn cut_drain(&self) {
        self.shared.interrupted.store(true, Ordering::Release);
    }

    /// Whether a signal ended the run before its time.
    pub(super) fn is_interrupted(&self) -> bool {
        self.shared.interrupted.load(Ordering::Acquire)
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

    /// Whether a number of requests decides when the window ends.
    pub(super) fn counts_requests(&self) -> bool {
        self.shared.counts_requests
    }

    /// Whether all requests of the window are claimed.
    pub(super) fn is_spent(&self) -> bool {
        self.shared.budget.load(Ordering::Acquire) == 0
    }
}

/// The shortest stage of a load that has stages: percentiles are of a stage then.
fn shortest_stage(plan: &Plan) -> Option<Nanos> {
    let ends = plan.load.stage_ends();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    ends.iter().zip(begins).map(|(end, begin)| end - begin).min()
}

/// The shortest window of a plan; where a number of requests decides, ten seconds.
fn shortest(plan: &Plan) -> Nanos {
    if let Some(stage) = shortest_stage(plan) {
        return stage;
    }
    match (plan.stop, plan.until) {
        (StopRule::Duration { duration_ns }, None) => duration_ns,
        (StopRule::Duration { duration_ns }, Some(_)) => duration_ns / EARLIEST_END,
        (StopRule::Requests { .. }, _) => 10 * SECOND,
    }
}

/// Pieces that a window should have at least: how much they differ, and for how long they stay
/// alike, tells how many independent values the sample is worth.
const LEAST_PIECES: u64 = 200;

/// A piece is not shorter than this; shorter ones would differ by chance alone.
const SHORTEST_PIECE: Nanos = 20 * MILLISECOND;

/// Into how many pieces the intervals of a plan are cut.
pub(super) fn pieces_per_interval(plan: &Plan) -> u64 {
    let wanted = match plan.stop {
        StopRule::Duration { duration_ns } => {
            // A run that may end early has enough of them when it is first looked at.
            let looks = if plan.until.is_some() { EARLIEST_END } else { 1 };
            let least = LEAST_PIECES * looks;
            let duration_ns = shortest_stage(plan).unwrap_or(duration_ns);
            plan.interval_ns.saturating_mul(least).div_ceil(duration_ns.max(1))
        }
        StopRule::Requests { .. } => LEAST_PIECES / 10,
    };
    wanted.clamp(1, (plan.interval_ns / SHORTEST_PIECE).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{plan, plan_with};

    #[test]
    fn short_windows_are_cut_finer_than_long_ones() {
        for (seconds, pieces) in [(1, 50), (10, 20), (60, 4), (3600, 1)] {
            let plan = plan_with(|plan| {
                plan.stop = StopRule::Duration { duration_ns: seconds * plan.interval_ns };
            });
            assert_eq!(pieces_per_interval(&plan), pieces, "{seconds} s");
        }
    }

    #[test]
    fn pieces_end_where_intervals_and_windows_end() {
        for interval_ns in [10_000_000, 333_333_333, 1_000_000_000] {
            for intervals in 1..70 {
                let duration_ns = intervals * interval_ns;
                let plan = plan_with(|plan| {
                    plan.interval_ns = interval_ns;
                    plan.stop = StopRule::Duration { duration_ns };
                });
                let pieces = pieces_per_interval(&plan);
                let timeline = Timeline::new(&plan, 12_345);
                let case = format!("{intervals} intervals of {interval_ns} ns");
                for interval in 1..=intervals {
                    let end = timeline.piece_end(interval * pieces - 1);
                    assert_eq!(end, 12_345 + interval * interval_ns, "{case}");
                }
                assert_eq!(
                    timeline.piece_end(intervals * pieces - 1),
                    timeline.window_end(),
                    "{case}"
                );
            }
        }
    }

    #[test]
    fn claims_end_with_the_budget() {
        let plan = plan_with(|plan| plan.stop = StopRule::Requests { requests: 5 });
        let timeline = Timeline::new(&plan, 0);
        assert_eq!((timeline.claim(3), timeline.claim(3), timeline.claim(1)), (3, 2, 0));
        assert!(timeline.is_spent());
        assert_eq!(timeline.window_end(), Nanos::MAX);
        timeline.interrupt(7);
        assert!(timeline.is_interrupted());
        assert_eq!(timeline.window_end(), 7);
    }

    #[test]
    fn a_window_that_may_end_early_is_cut_finer_and_an_early_end_is_no_interruption() {
        let long = StopRule::Duration { duration_ns: 160 * SECOND };
        let until = "p99+-5%".parse().ok();
        let plan = plan_with(|plan| (plan.stop, plan.until) = (long, until));
        assert_eq!(pieces_per_interval(&plan), 20);
        let timeline = Timeline::new(&plan, 0);
        assert_eq!(timeline.outlived(), SECOND, "a tenth of the shortest window");
        timeline.finish(20 * SECOND);
        timeline.finish(30 * SECOND);
        assert_eq!(timeline.window_end(), 20 * SECOND);
        assert!(!timeline.is_interrupted());
    }

    #[test]
    fn the_first_signal_decides_and_a_later_one_takes_nothing_back() {
        let timeline = Timeline::new(&plan(), 0);
        let planned = timeline.window_end();
        timeline.interrupt(planned);
        assert!(!timeline.is_interrupted(), "the window was over");
        for at in [9, 9, 12] {
            timeline.interrupt(at);
            assert!(timeline.is_interrupted());
            assert_eq!(timeline.window_end(), 9);
        }
    }
}
