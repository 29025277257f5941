//! What is due, and how a thread waits for it: [`Pace`].

use std::ops::Range;

use echo_net::Nanos;

use super::busy_clock::BusyClock;
use super::demand::Demand;
use super::waiting::Waiting;
use crate::plan::IdleStrategy;

/// A look for events takes less; who looks for longer has lost its CPU meanwhile, and used none.
const LONGEST_LOOK: Nanos = 50_000;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pace {
    /// The schedule of an open loop.
    pub(super) demand: Option<Demand>,
    idle: IdleStrategy,
    busy: BusyClock,
    /// How long the thread has spun for want of events.
    spun: Nanos,
    /// Sends that were begun before the last look for events.
    sends: u64,
    window_end: Nanos,
    /// When its wait is to end; at the end of time when it does not wait.
    awake_at: Nanos,
}

impl Pace {
    pub(super) fn new(idle: IdleStrategy) -> Self {
        Self {
            demand: None,
            idle,
            busy: BusyClock::new(),
            spun: 0,
            sends: 0,
            window_end: Nanos::MAX,
            awake_at: Nanos::MAX,
        }
    }

    /// When the next request is due of those that have a slot.
    #[inline]
    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.demand.as_ref().and_then(Demand::next_due)
    }

    /// Looks at the thread's CPU clock, if it is time to.
    pub(super) fn observe(&mut self, now: Nanos, window: &Range<Nanos>) {
        self.window_end = window.end;
        self.busy.observe(now, self.spun, window);
    }

    /// How to wait until a request is due, the workload `wakes` or one of the `edges` is
    /// reached that are still to come, or `latest`.
    pub(super) fn waiting(
        &self,
        now: Nanos,
        wakes: Option<Nanos>,
        edges: &[Nanos],
        latest: Nanos,
    ) -> Waiting {
        let due = self.next_due().into_iter().chain(wakes).min();
        let due = due.filter(|&due| due < self.window_end);
        Waiting::new(self.idle, now, due, edges, latest)
    }

    /// The thread has looked for events for so long; so many `sends` were begun before, and there
    /// were events or none. A look that has sends to carry out, as with `io_uring`, is no idle one.
    pub(super) fn looked(&mut self, took: Nanos, sends: u64, had_events: bool) {
        let is_idle = std::mem::replace(&mut self.sends, sends) == sends && !had_events;
        if is_idle {
            self.spun += took.min(LONGEST_LOOK);
        }
    }

    /// The thread begins to wait: one that spins is to be back at once.
    pub(super) fn waits(&mut self, now: Nanos, waiting: Waiting) {
        self.awake_at = if waiting.spins { now } else { waiting.until };
    }

    /// It is awake, and has handled what it was woken for.
    #[inline]
    pub(super) fn woke(&mut self, now: Nanos) {
        self.busy.waited(std::mem::replace(&mut self.awake_at, Nanos::MAX), now);
    }

    /// CPUs that the thread was seen on in the window.
    pub(super) fn cpus(&self) -> Vec<usize> {
        self.busy.cpus()
    }

    /// Share of the window in which the thread wanted to run and did not.
    pub(super) fn denied_share(&self) -> Option<f64> {
        self.busy.denied_share()
    }

    /// Share of the window in which the thread worked.
    pub(super) fn busy_share(&self) -> Option<f64> {
        self.busy.share()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_sends_or_finds_events_is_no_idle_one() {
        let mut pace = Pace::new(IdleStrategy::Spin);
        let mut idle = |took, sends, had_events| {
            let before = pace.spun;
            pace.looked(took, sends, had_events);
            pace.spun - before
        };
        assert_eq!(idle(700, 0, false), 700);
        assert_eq!(idle(700, 0, true), 0, "it handled events");
        assert_eq!(idle(9_000, 3, false), 0, "it carried out three sends");
        assert_eq!(idle(700, 3, false), 700);
        assert_eq!(idle(4_000_000, 3, false), LONGEST_LOOK, "it was not running");
    }

    #[test]
    fn a_thread_that_is_stopped_is_seen_to_stand_still_however_it_waits() {
        for idle in [IdleStrategy::Sleep, IdleStrategy::Spin] {
            let (mut pace, window) = (Pace::new(idle), 1000..2_000_000_000);
            pace.observe(1000, &window);
            let waiting = pace.waiting(1_000_000, None, &[window.end], 2_000_000);
            pace.waits(1_000_000, waiting);
            pace.woke(800_000_000);
            pace.observe(1_000_000_000, &window);
            let denied = pace.denied_share();
            assert!(denied.is_some_and(|share| (0.7..0.9).contains(&share)), "{denied:?}");
        }
    }
}
