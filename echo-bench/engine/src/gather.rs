//! What happens beside the workers while they work: [`Watch`] waits for the run to end,
//! samples what both sides cost, and adds up the pieces that the workers hand in.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock::{self, MILLISECOND};
use echo_net::cpu::Usage;
use echo_net::stop::{Stage, Stop};

use super::observer::{Observer, SoFar};
use super::pulse::{BEAT, Beat, Pulses};
use super::server_watch::ServerWatch;
use super::surroundings::{Lookout, Surroundings};
use super::timeline::{Timeline, pieces_per_interval};
use crate::plan::Plan;
use crate::record::{Interval, Packed, Phase, Tally};

/// How often the stop latch is looked at.
const LOOK_EVERY: Nanos = 20 * MILLISECOND;

/// So long before its new end a window is cut at the latest: threads that wait look at their
/// end at least twice as often.
const NOTICE: Nanos = 100 * MILLISECOND;

/// How often it is looked where the server works.
const PLACED_EVERY: Nanos = 200 * MILLISECOND;

/// What both sides had used at an instant.
#[derive(Debug, Clone, Copy)]
pub struct CostSample {
    /// When.
    pub at: Nanos,
    /// This process.
    pub client: Option<Usage>,
    /// The server, where its process is known.
    pub server: Option<Usage>,
}

/// One interval of the measured window.
#[derive(Debug, Clone)]
pub struct IntervalRecord {
    /// Its place, from 0.
    pub index: u64,
    /// How requests ended that ended in it.
    pub tally: Tally,
    /// Their response latencies, without those of requests that ended in the drain.
    pub response: Packed,
}

/// What was gathered by the end.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) window_start: Nanos,
    pub(super) window_end: Nanos,
    /// When all workers had ended.
    pub(super) ended_at: Nanos,
    pub(super) total: Interval,
    pub(super) intervals: Vec<IntervalRecord>,
    pub(super) pieces: Vec<Packed>,
    /// The same by stage.
    pub(super) stage_pieces: Vec<Vec<Packed>>,
    pub(super) drained: Option<Packed>,
    pub(super) costs: Vec<CostSample>,
    pub(super) interrupted: bool,
    pub(super) surroundings: Surroundings,
}

/// See the [module](self).
pub(super) struct Watch<'a> {
    timeline: Timeline,
    stop: &'a Stop,
    server: ServerWatch,
    interval_ns: Nanos,
    next_sample: Nanos,
    lookout: Lookout,
    /// When to look again where the server works.
    next_look: Nanos,
    ended: bool,
    workers: u32,
    pieces_per_interval: u64,
    /// Pieces that not all workers have handed in, and how many have.
    pending: BTreeMap<u64, (Interval, u32)>,
    /// The interval that whole pieces are added to.
    interval: Interval,
    pulses: Pulses,
    next_beat: Nanos,
    gathered: Gathered,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        plan: &Plan,
        server: ServerWatch,
        timeline: Timeline,
        stop: &'a Stop,
        pulses: Pulses,
    ) -> Self {
        let open = plan.has_waits();
        let gathered = Gathered {
            window_start: timeline.window_start,
            window_end: timeline.window_end(),
            ended_at: timeline.window_start,
            total: Interval::new(0, open),
            intervals: Vec::new(),
            pieces: Vec::new(),
            stage_pieces: vec![Vec::new(); plan.load.stage_ends().len()],
            drained: None,
            costs: Vec::new(),
            interrupted: false,
            surroundings: Surroundings::default(),
        };
        Self {
            next_sample: timeline.window_start,
            lookout: Lookout::new(),
            next_look: timeline.window_start,
            interval_ns: plan.interval_ns,
            workers: plan.threads,
            pieces_per_interval: pieces_per_interval(plan),
            interval: Interval::new(0, open),
            pulses,
            next_beat: 0,
            pending: BTreeMap::new(),
            ended: false,
            timeline,
            stop,
            server,
            gathered,
        }
    }

    /// Returns once all workers have hung up.
    pub(super) fn until_done(
        mut self,
        pieces: &Receiver<Interval>,
        observer: &mut dyn Observer,
    ) -> Gathered {
        loop {
            self.tend(clock::now());
            self.beat(clock::now(), observer);
            let wait = self.next_sample.saturating_sub(clock::now()).min(LOOK_EVERY);
            match pieces.recv_timeout(Duration::from_nanos(wait.max(1))) {
                Ok(piece) => self.take(piece, observer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.gathered.ended_at = clock::now();
        if !self.ended {
            self.sample(self.gathered.ended_at);
        }
        // Workers that ended at different times have handed in different pieces last.
        for (_, (piece, _)) in std::mem::take(&mut self.pending) {
            self.add(&piece, observer);
        }
        if self.interval.tally != Tally::default() || self.interval.errors.total() > 0 {
            self.close_interval(observer);
        }
        let drained = self.gathered.total.latencies.take_drained();
        self.gathered.drained = drained.map(|drained| Packed::new(&drained));
        let stages = self.gathered.total.stages.iter_mut();
        for latencies in stages.filter_map(|part| part.latencies.as_mut()) {
            latencies.take_drained();
        }
        self.gathered.window_end = self.timeline.window_end();
        self.gathered.interrupted = self.timeline.is_interrupted();
        self.gathered.surroundings = self.lookout.conclude();
        self.gathered
    }

    /// Tells how the run stands, if it is time to.
    fn beat(&mut self, now: Nanos, observer: &mut dyn Observer) {
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + BEAT;
        let end = self.timeline.window_end();
        let phase = if now < self.timeline.window_start {
            Phase::WarmUp
        } else if now < end {
            Phase::Window
        } else {
            Phase::Drain
        };
        let left = (end != Nanos::MAX).then(|| end.saturating_sub(now));
        observer.beat(&Beat::of(&self.pulses, now, phase, left));
    }

    fn take(&mut self, piece: Interval, observer: &mut dyn Observer) {
        let index = piece.index;
        let count = if let Some((merged, count)) = self.pending.get_mut(&index) {
            *merged += &piece;
            *count += 1;
            *count
        } else {
            self.pending.insert(index, (piece, 1));
            1
        };
        if count == self.workers
            && let Some((whole, _)) = self.pending.remove(&index)
        {
            self.add(&whole, observer);
        }
    }

    /// Adds a piece that nothing more will come to.
    fn add(&mut self, piece: &Interval, observer: &mut dyn Observer) {
        let interval = piece.index / self.pieces_per_interval;
        while self.interval.index < interval {
            self.close_interval(observer);
        }
        self.gathered.pieces.push(Packed::new(&piece.latencies.whole()));
        for part in &piece.stages {
            let pieces = self.gathered.stage_pieces.get_mut(part.stage as usize);
            if let (Some(pieces), Some(latencies)) = (pieces, &part.latencies) {
                pieces.push(Packed::new(&latencies.whole()));
            }
        }
        self.interval += piece;
        if (piece.index + 1).is_multiple_of(self.pieces_per_interval) {
            self.close_interval(observer);
        }
    }

    fn close_interval(&mut self, observer: &mut dyn Observer) {
        let open = self.interval.latencies.open.is_some();
        let next = Interval::new(self.interval.index + 1, open);
        let whole = std::mem::replace(&mut self.interval, next);
        observer.interval(&whole, self.lasted(whole.index, clock::now()));
        self.gathered.total += &whole;
        self.gathered.intervals.push(IntervalRecord {
            index: whole.index,
            tally: whole.tally,
            response: Packed::new(&whole.latencies.response),
        });
        let so_far = SoFar {
            measured_ns: (whole.index + 1).saturating_mul(self.interval_ns),
            response: &self.gathered.total.latencies.response,
            pieces: &self.gathered.pieces,
        };
        // An interval that was cut short is no end of one.
        let end = self.timeline.window_start.saturating_add(so_far.measured_ns);
        if end < self.timeline.window_end() && observer.is_enough(&so_far) {
            self.finish(clock::now());
        }
    }

    /// How long an interval was that is over at `now`, where that is known.
    fn lasted(&self, index: u64, now: Nanos) -> Option<Nanos> {
        let begin =
            self.timeline.window_start.saturating_add(index.saturating_mul(self.interval_ns));
        let planned_end = begin.saturating_add(self.interval_ns);
        let is_cut = now < planned_end && self.timeline.is_spent();
        let end = planned_end.min(self.timeline.window_end());
        (!is_cut || end < planned_end).then(|| end.saturating_sub(begin))
    }

    /// Ends the window with an interval, as one that was planned so: every thread sees it before.
    fn finish(&self, now: Nanos) {
        let start = self.timeline.window_start;
        let whole = now.saturating_add(NOTICE).saturating_sub(start).div_ceil(self.interval_ns);
        self.timeline.finish(start.saturating_add(whole.saturating_mul(self.interval_ns)));
    }

    fn tend(&mut self, now: Nanos) {
        if self.stop.stage() > Stage::Running {
            self.timeline.interrupt(now);
        }
        let end = self.timeline.window_end();
        if !self.ended && now >= self.next_look {
            self.lookout.look_at_server(&self.server.pids());
            self.next_look = now + PLACED_EVERY;
        }
        if self.ended || now < self.next_sample.min(end) {
            return;
        }
        self.sample(now);
        self.ended = now >= end;
        self.next_sample = if self.ended {
            Nanos::MAX
        } else {
            (self.next_sample + self.interval_ns).max(now).min(end)
        };
    }

    fn sample(&mut self, at: Nanos) {
        self.lookout.look(&self.server.pids());
        self.gathered.costs.push(CostSample {
            at,
            client: Usage::of_self().ok(),
            server: self.server.usage(),
        });
    }
}

#[cfg(test)]
mod tests {
    use echo_net::clock::SECOND;

    use super::*;
    use crate::observer::Connected;
    use crate::plan::StopRule;
    use crate::plan::tests::plan_with;

    #[derive(Default)]
    struct Seen {
        beats: Vec<(Phase, Option<Nanos>)>,
        lengths: Vec<Option<Nanos>>,
    }

    impl Observer for Seen {
        fn connected(&mut self, _connected: &Connected<'_>) {}
        fn interval(&mut self, _interval: &Interval, lasted_ns: Option<Nanos>) {
            self.lengths.push(lasted_ns);
        }
        fn beat(&mut self, beat: &Beat) {
            self.beats.push((beat.phase, beat.left_ns));
        }
    }

    #[test]
    fn a_run_is_looked_at_ten_times_a_second_from_its_warm_up_on() {
        let plan = plan_with(|plan| {
            plan.warmup_ns = SECOND;
            plan.stop = StopRule::Duration { duration_ns: 2 * SECOND };
        });
        let (stop, mut seen) = (Stop::new(), Seen::default());
        let server = ServerWatch::default();
        let mut watch =
            Watch::new(&plan, server, Timeline::new(&plan, 0), &stop, Pulses::default());
        for now in [0, BEAT / 2, BEAT, SECOND, 3 * SECOND] {
            watch.beat(now, &mut seen);
        }
        let left = [3 * SECOND, 3 * SECOND - BEAT, 2 * SECOND, 0].map(Some);
        let phases = [Phase::WarmUp, Phase::WarmUp, Phase::Window, Phase::Drain];
        assert_eq!(seen.beats, phases.into_iter().zip(left).collect::<Vec<_>>());
    }

    #[test]
    fn an_interval_is_as_long_as_the_window_lets_it_be() {
        let of_time = plan_with(|plan| {
            plan.warmup_ns = 0;
            plan.stop = StopRule::Duration { duration_ns: 2 * SECOND + SECOND / 4 };
        });
        let of_requests = plan_with(|plan| {
            plan.warmup_ns = 0;
            plan.stop = StopRule::Requests { requests: 7 };
        });
        let (stop, mut seen) = (Stop::new(), Seen::default());
        let begin = clock::now();
        let mut watch = |plan: &Plan, timeline: &Timeline, intervals: u32| {
            let (server, pulses) = (ServerWatch::default(), Pulses::default());
            let mut watch = Watch::new(plan, server, timeline.clone(), &stop, pulses);
            (0..intervals).for_each(|_| watch.close_interval(&mut seen));
            std::mem::take(&mut seen.lengths)
        };
        let whole = Some(SECOND);
        assert_eq!(of_time.interval_ns, SECOND);
        let timeline = Timeline::new(&of_time, begin);
        assert_eq!(watch(&of_time, &timeline, 3), [whole, whole, Some(SECOND / 4)]);
        timeline.interrupt(begin + SECOND + SECOND / 2);
        assert_eq!(watch(&of_time, &timeline, 2), [whole, Some(SECOND / 2)]);
        let timeline = Timeline::new(&of_requests, begin);
        assert_eq!(watch(&of_requests, &timeline, 2), [whole, whole]);
        assert_eq!(timeline.claim(7), 7);
        assert_eq!(
            watch(&of_requests, &timeline, 1),
            [None],
            "nobody knows when the last came"
        );
    }
}
