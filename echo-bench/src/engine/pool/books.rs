//! What became of every request: [`Books`], which all callers share.

use std::ops::Range;

use echo_client::pool::Exchange;
use echo_net::Nanos;
use echo_net::clock;
use echo_net::destinations::Destinations;

use super::PoolFacts;
use crate::engine::busy_clock::BusyClock;
use crate::engine::demand::Demand;
use crate::engine::handshakes::Handshakes;
use crate::engine::kernel_facts::KernelFacts;
use crate::engine::misdirected::Misdirected;
use crate::engine::occupancy::Occupancy;
use crate::engine::timeline::Timeline;
use crate::engine::worker::Outcome;
use crate::plan::Plan;
use crate::record::{Difference, FailureKind, FirstOffender, Interval, Latency};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ok,
    Mismatch,
    Error,
    Timeout,
    Reset,
    Closed,
    Refused,
    Unsent,
    InFlight,
}

/// A request that is under way.
#[derive(Debug, Clone, Copy)]
struct Call {
    intended: Nanos,
    /// When it was written, once it has a connection.
    written: Option<Nanos>,
    measured: bool,
}

/// What a caller is at.
#[derive(Debug, Clone, Default)]
struct State {
    call: Option<Call>,
    /// The number of its next request.
    next: u64,
}

/// See the [module](self).
pub(super) struct Books {
    timeline: Timeline,
    /// A copy of the timeline's, refreshed now and then.
    window_end: Nanos,
    /// The open-loop schedule.
    demand: Option<Demand>,
    callers: Vec<State>,
    interval: Interval,
    next_boundary: Nanos,
    occupancy: Occupancy,
    connect: Latency,
    handshakes: Handshakes,
    last_answer: Option<Nanos>,
    misdirected: Option<Misdirected>,
    finished: Box<dyn FnMut(Interval) + Send>,
}

impl Books {
    pub(super) fn new(
        plan: &Plan,
        timeline: Timeline,
        finished: Box<dyn FnMut(Interval) + Send>,
    ) -> Self {
        let (numbers, start) = (0..plan.connections, timeline.start);
        Self {
            window_end: timeline.window_end(),
            demand: Demand::new(&plan.load, plan.seed, numbers, plan.connections, start),
            callers: vec![State::default(); plan.connections as usize],
            interval: Interval::new(0, true),
            next_boundary: timeline.piece_end(0),
            occupancy: Occupancy::new(timeline.window_start),
            connect: Latency::default(),
            handshakes: Handshakes::default(),
            last_answer: None,
            misdirected: None,
            finished,
            timeline,
        }
    }

    pub(super) fn window(&self) -> Range<Nanos> {
        self.timeline.window_start..self.window_end
    }

    /// Hands over the intervals that have ended by `now`.
    pub(super) fn tend(&mut self, now: Nanos) {
        self.window_end = self.timeline.window_end();
        while now >= self.next_boundary && self.next_boundary < self.window_end {
            let next = Interval::new(self.interval.index + 1, true);
            (self.finished)(std::mem::replace(&mut self.interval, next));
            self.next_boundary = self.timeline.piece_end(self.interval.index);
        }
    }

    /// When the next request of a caller is due, by the schedule; within the window.
    pub(super) fn next_due(&self, caller: u32) -> Option<Nanos> {
        let demand = self.demand.as_ref()?;
        // What is due later is never called, so it need not be waited for.
        Some(demand.peek(caller)).filter(|&due| due < self.window_end)
    }

    /// A caller calls at `now`, and was free when its request fell due; whether it still may.
    pub(super) fn call(&mut self, caller: u32, now: Nanos, was_free: bool) -> bool {
        self.tend(now);
        let intended = self.demand.as_ref().map_or(now, |demand| demand.peek(caller));
        if intended >= self.window_end {
            return false;
        }
        let measured = intended >= self.timeline.window_start;
        if measured && self.timeline.claim(1) == 0 {
            return false;
        }
        if let Some(demand) = &mut self.demand {
            demand.advance(caller);
        }
        let state = &mut self.callers[caller as usize];
        state.call = Some(Call { intended, written: None, measured });
        if measured {
            self.interval.tally.scheduled += 1;
            if was_free && let Some(open) = &mut self.interval.latencies.open {
                open.lateness.record(now.saturating_sub(intended));
            }
        }
        true
    }

    /// A caller has its connection and writes; the number of the request.
    pub(super) fn write(&mut self, caller: u32, now: Nanos) -> u64 {
        let state = &mut self.callers[caller as usize];
        if let Some(call) = &mut state.call {
            call.written = Some(now);
        }
        self.occupancy.add(1, now, self.window_end);
        state.next += 1;
        state.next - 1
    }

    /// A caller's request has ended.
    pub(super) fn end(&mut self, caller: u32, now: Nanos, ended: Ended) {
        self.tend(now);
        let Some(call) = self.callers[caller as usize].call.take() else { return };
        if call.written.is_some() {
            self.occupancy.remove(1, now, self.window_end);
        }
        if ended == Ended::Ok {
            self.last_answer = Some(now);
            self.interval.tally.answered += u64::from(self.window().contains(&now));
        }
        if !call.measured {
            return;
        }
        let Interval { tally, latencies, .. } = &mut self.interval;
        *match ended {
            Ended::Ok => &mut tally.ok,
            Ended::Mismatch => &mut tally.mismatch,
            Ended::Error => &mut tally.error,
            Ended::Timeout => &mut tally.timeout,
            Ended::Reset => &mut tally.reset,
            Ended::Closed => &mut tally.closed,
            Ended::Refused => &mut tally.refused,
            Ended::Unsent => &mut tally.unsent,
            Ended::InFlight => &mut tally.in_flight,
        } += 1;
        match (ended, call.written) {
            (Ended::Ok, Some(written)) => latencies.record(call.intended, written, now),
            // Wrong answers and errors have no latency, as in every other run.
            (Ended::Mismatch | Ended::Error, _) => {}
            (_, written) => latencies.record_censored(call.intended, written, now),
        }
    }

    /// Tells what went wrong with a request.
    pub(super) fn blame(
        &mut self,
        caller: u32,
        kind: FailureKind,
        detail: String,
        difference: Option<Difference>,
    ) {
        let request = self.callers[caller as usize].next.checked_sub(1);
        self.interval.errors.count(kind, || FirstOffender {
            connection: caller,
            request,
            detail,
            difference,
        });
    }

    /// The server speaks something else: no reason to go on, unless it has given right answers.
    pub(super) fn misdirect(&mut self, seen: Misdirected) {
        if !self.is_proven() {
            self.misdirected = Some(seen);
        }
    }

    /// Whether there was a right answer.
    pub(super) fn is_proven(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Whether the server speaks something else.
    pub(super) fn is_misdirected(&self) -> bool {
        self.misdirected.is_some()
    }

    /// A connection was made in the load.
    pub(super) fn connected(&mut self, exchange: &Exchange) {
        self.connect.record(clock::nanos(exchange.connected_in()));
        self.handshakes.add(exchange);
    }

    /// Bytes sent and received on a connection, before and by `now`.
    pub(super) fn moved(&mut self, now: Nanos, before: (u64, u64), by_now: (u64, u64)) {
        if self.window().contains(&now) {
            self.interval.tally.bytes_sent += by_now.0 - before.0;
            self.interval.tally.bytes_received += by_now.1 - before.1;
        }
    }

    /// Ends what has not ended, and tells the rest of the story.
    pub(super) fn conclude(
        &mut self,
        now: Nanos,
        busy: &BusyClock,
        pool: PoolFacts,
        (kernel, alive_at_end): (KernelFacts, u32),
    ) -> Outcome {
        self.window_end = self.timeline.window_end();
        for caller in 0..self.callers.len() as u32 {
            self.give_up(caller, now);
        }
        let last = Interval::new(self.interval.index + 1, true);
        (self.finished)(std::mem::replace(&mut self.interval, last));
        Outcome {
            alive_at_end,
            reconnects: 0,
            connect: std::mem::take(&mut self.connect),
            handshakes: std::mem::take(&mut self.handshakes),
            outstanding_area: self.occupancy.area(now, self.window_end),
            last_answer: self.last_answer,
            busy: busy.share(),
            kernel,
            pool: Some(pool),
            destinations: Destinations::default(),
            misdirected: self.misdirected,
        }
    }

    fn give_up(&mut self, caller: u32, now: Nanos) {
        if let Some(Call { written, measured: true, .. }) = self.callers[caller as usize].call {
            let (kind, ended, detail) = match written {
                Some(_) => (FailureKind::InFlight, Ended::InFlight, "no reply"),
                None => (FailureKind::Unsent, Ended::Unsent, "no connection"),
            };
            self.end(caller, now, ended);
            self.blame(caller, kind, format!("{detail} when the drain ended"), None);
        }
        let Some(demand) = &mut self.demand else { return };
        // A number of requests decides: what was not claimed was never asked for.
        let end = if self.window_end == Nanos::MAX { 0 } else { self.window_end };
        let mut unsent = 0;
        for intended in demand.take_rest(caller, end) {
            if intended >= self.timeline.window_start {
                unsent += 1;
                self.interval.latencies.record_censored(intended, None, now);
            }
        }
        self.interval.tally.unsent += unsent;
        self.interval.tally.scheduled += unsent;
        self.interval.errors.count_many(FailureKind::Unsent, unsent, || FirstOffender {
            connection: caller,
            request: None,
            detail: "it was due and its caller was not free".into(),
            difference: None,
        });
    }
}
