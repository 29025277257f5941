//! When a thread stops waiting for replies: [`Draining`]. All are there, the drain is over, or
//! signals ask for the end; only those make the run an interrupted one.

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::stop::{Stage, Stop};

use crate::timeline::Timeline;

/// How long replies are still awaited after a signal: a user who presses Ctrl-C wants the
/// report, and not the timeout.
const AFTER_SIGNAL: Nanos = 500 * MILLISECOND;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Draining {
    stop: Stop,
    drain_ns: Nanos,
    /// When the stop latch was first seen to be on.
    stopped_at: Option<Nanos>,
}

impl Draining {
    /// No signal was seen yet.
    pub(super) fn new(stop: Stop, drain_ns: Nanos) -> Self {
        Self { stop, drain_ns, stopped_at: None }
    }

    /// The stop latch.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Looks at the stop latch; a second signal ends the window at `now`.
    pub(super) fn look(&mut self, now: Nanos, timeline: &Timeline) {
        let stage = self.stop.stage();
        if stage > Stage::Running {
            self.stopped_at.get_or_insert(now);
        }
        if stage == Stage::Forced {
            timeline.interrupt(now);
        }
    }

    /// Whether the wait after the window is over; `waiting` tells whether anything of the
    /// window still lacks its reply.
    pub(super) fn is_over(
        &self,
        now: Nanos,
        timeline: &Timeline,
        waiting: impl FnOnce() -> bool,
    ) -> bool {
        if now >= timeline.window_end().saturating_add(self.drain_ns) || !waiting() {
            return true;
        }
        let hurried = self.stop.stage() == Stage::Forced
            || self.stopped_at.is_some_and(|at| now >= at.saturating_add(AFTER_SIGNAL));
        if hurried {
            timeline.cut_drain();
        }
        hurried
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn signals_interrupt_only_what_would_have_gone_on() {
        let plan = plan();
        let end = plan.drain_ns;
        // When the signals came, how many, whether a reply was missing, and what became of it.
        for (at, signals, waiting, over, interrupted) in [
            (end / 2, 0, true, false, false),
            (end / 2, 1, true, false, false),
            (end / 2, 2, true, true, true),
            (end + 1, 1, true, false, false),
            (end + 1, 2, true, true, true),
            (end + 1, 2, false, true, false),
            (2 * end, 2, true, true, false),
        ] {
            let stop = Stop::new();
            let timeline = Timeline::new(&plan, 0);
            let mut draining = Draining::new(stop.clone(), plan.drain_ns);
            (0..signals).for_each(|_| stop.ask());
            draining.look(at, &timeline);
            let case = format!("{signals} signals at {at}, waiting: {waiting}");
            assert_eq!(draining.is_over(at, &timeline, || waiting), over, "{case}");
            assert_eq!(timeline.is_interrupted(), interrupted, "{case}");
        }
    }

    #[test]
    fn one_signal_shortens_the_drain() {
        let plan = plan();
        let (stop, timeline) = (Stop::new(), Timeline::new(&plan, 0));
        let mut draining = Draining::new(stop.clone(), plan.drain_ns);
        stop.ask();
        let begin = timeline.window_end();
        draining.look(begin, &timeline);
        assert!(!draining.is_over(begin + AFTER_SIGNAL - 1, &timeline, || true));
        assert!(!timeline.is_interrupted());
        assert!(draining.is_over(begin + AFTER_SIGNAL, &timeline, || true));
        assert!(timeline.is_interrupted());
    }
}
