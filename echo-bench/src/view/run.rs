//! What is known of the run that goes on: [`Run`], added up event by event. Knows no terminal.

use std::collections::VecDeque;
use std::time::Duration;

use echo_bench_engine::Sums;
use echo_bench_engine::plan::StopRule;
use echo_bench_engine::record::{Errors, Interval, Latency, Phase, Tally};
use echo_bench_report::describe;
use echo_proto::terminal::one_line;

use super::clock::Clock;
use super::event::{Begun, Event, Moment};
use super::series::Series;
use super::stage_names::StageNames;

/// Looks that the rate of this moment is made of: one second.
const LOOKS: usize = 11;

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Which of several it is; empty of one alone.
    pub(super) name: String,
    /// What is loaded, and how.
    pub(super) target: String,
    /// How it is loaded.
    pub(super) load: String,
    /// Requests per second that are asked for; none in a closed loop, and where they change.
    pub(super) rate_per_s: Option<f64>,
    /// Connections that are wanted.
    pub(super) connections: u32,
    /// Connections that were made.
    pub(super) established: u32,
    /// Pieces of the window over time.
    pub(super) series: Series,
    /// How requests ended so far.
    pub(super) tally: Tally,
    /// What went wrong so far.
    pub(super) errors: Errors,
    /// What has added up.
    pub(super) sums: Sums,
    /// Failures by the last look, which is before the pieces.
    pub(super) failed_now: u64,
    phase: Option<Phase>,
    is_open: bool,
    left_ns: Option<u64>,
    looks: VecDeque<(u64, u64)>,
    window_ns: Option<u64>,
    requests: Option<u64>,
    stages: StageNames,
    total: Interval,
}

impl Run {
    /// Of a run that begins.
    pub(super) fn new(begun: &Begun) -> Self {
        let plan = &begun.plan;
        let (target, load) = describe::plan_in_words(plan);
        let (window_ns, requests) = match plan.stop {
            StopRule::Duration { duration_ns } => (Some(duration_ns), None),
            StopRule::Requests { .. } => (None, plan.own_requests()),
        };
        Self {
            name: one_line(&begun.name),
            target: one_line(&target),
            load: one_line(&load),
            rate_per_s: plan.load.rate_per_s(),
            connections: plan.connections_at_start(),
            established: 0,
            series: Series::new(plan.interval_ns),
            tally: Tally::default(),
            errors: Errors::default(),
            sums: Sums::default(),
            failed_now: 0,
            phase: None,
            is_open: plan.load.is_open(),
            left_ns: None,
            looks: VecDeque::new(),
            window_ns,
            requests,
            stages: StageNames::of(plan),
            total: Interval::new(0, plan.has_waits()),
        }
    }

    /// Takes in what was heard of it.
    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Connected(established) => self.connected(established),
            Event::Moment(moment) => self.moment(moment),
            Event::Measured(piece) => self.measured(&piece),
            Event::Sums(sums) => self.sums = sums,
            // These are of another run, or of several.
            Event::Begun(_) | Event::Session(_) | Event::Parts(_) => {}
        }
    }

    fn connected(&mut self, established: u32) {
        self.established = established;
        self.phase.get_or_insert(Phase::WarmUp);
    }

    fn moment(&mut self, moment: Moment) {
        if moment.phase == Phase::SetUp {
            self.established = moment.established;
        }
        if self.phase != Some(Phase::Window) && moment.phase == Phase::Window {
            self.looks.clear();
        }
        self.phase = Some(moment.phase);
        self.left_ns = moment.left_ns;
        self.failed_now = moment.failed;
        self.looks.push_back((moment.at, moment.replies));
        self.looks.drain(..self.looks.len().saturating_sub(LOOKS));
    }

    fn measured(&mut self, piece: &Interval) {
        self.series.add(piece);
        self.tally += &piece.tally;
        self.errors += &piece.errors;
        // Whoever is followed from outside shows no moments.
        if self.looks.is_empty() {
            self.phase = Some(Phase::Window);
        }
        // The clocks alone: a run of many stages would keep them all.
        self.total.latencies += &piece.latencies;
    }

    /// What is going on.
    pub(super) fn phase(&self) -> Phase {
        self.phase.unwrap_or(Phase::SetUp)
    }

    /// Whether requests fall due on a schedule.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Values of a clock over the whole window so far; none where it has none.
    pub(super) fn clock(&self, clock: Clock) -> Option<&Latency> {
        clock.of(&self.total).filter(|latency| latency.count() > 0)
    }

    /// Whether the clock differs from the response at all.
    pub(super) fn has(&self, clock: Clock) -> bool {
        clock.of(&self.total).is_some()
    }

    /// Replies per second of the last second, or of the last piece.
    pub(super) fn rate_now(&self) -> Option<f64> {
        if let Some(((from, before), (at, replies))) = self.looks.front().zip(self.looks.back())
            && at > from
        {
            return Some(replies.saturating_sub(*before) as f64 * 1e9 / (at - from) as f64);
        }
        let (_, length_s, last) = self.series.points().last()?;
        (length_s > 0.0).then(|| last.answered as f64 / length_s)
    }

    /// Requests per second that fell due so far, and that were answered.
    pub(super) fn rates(&self) -> Option<(f64, f64)> {
        let length_s = self.series.length_ns() as f64 / 1e9;
        (length_s > 0.0).then(|| {
            (self.tally.scheduled as f64 / length_s, self.tally.answered as f64 / length_s)
        })
    }

    /// How much of the window is over, from 0 to 1, where its length is known.
    pub(super) fn done(&self) -> Option<f64> {
        let share = |part: u64, whole: u64| (part as f64 / whole.max(1) as f64).clamp(0.0, 1.0);
        match (self.window_ns, self.requests) {
            (Some(window), _) => {
                let passed = match (self.phase(), self.left_ns) {
                    (Phase::SetUp | Phase::WarmUp, _) => 0,
                    (_, Some(left)) => window.saturating_sub(left),
                    (_, None) => self.series.length_ns(),
                };
                Some(share(passed, window))
            }
            (None, Some(requests)) => Some(share(self.tally.ok, requests)),
            (None, None) => None,
        }
    }

    /// Until the window ends, where that can be said.
    pub(super) fn left(&self) -> Option<Duration> {
        if self.phase() == Phase::Drain {
            return None;
        }
        if let Some(left_ns) = self.left_ns {
            return Some(Duration::from_nanos(left_ns));
        }
        if let Some(window_ns) = self.window_ns {
            let passed = self.series.length_ns();
            return (passed > 0)
                .then(|| Duration::from_nanos(window_ns.saturating_sub(passed)));
        }
        let left = self.requests?.saturating_sub(self.tally.ok);
        let rate = self.rate_now().filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(left as f64 / rate).ok()
    }

    /// The stage that the run is in, if its load has stages.
    pub(super) fn stage(&self) -> Option<&str> {
        let window_ns = self.window_ns.filter(|_| self.phase() == Phase::Window)?;
        let passed = match self.left_ns {
            Some(left_ns) => window_ns.saturating_sub(left_ns),
            None => self.series.length_ns(),
        };
        self.stages.at(passed)
    }
}
