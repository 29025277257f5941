//! What became of every request: [`Ledger`]. Each has exactly one ending, and the ending
//! alone decides what it adds to the counts and to the clocks, whatever the workload is.

use std::ops::Range;
use std::sync::Arc;

use echo_net::Nanos;

use super::asked::{Alike, Asked, Ending};
use super::occupancy::Occupancy;
use crate::pulse::Pulse;
use crate::record::{Interval, Phase, Served, Span, StagePart, Stamped};
use crate::timeline::Timeline;

mod listing;

/// What a ledger has to say at the end, beside its intervals.
#[derive(Debug)]
pub(crate) struct LedgerRecord {
    /// Request-nanoseconds that requests were due, and without their reply, within the window.
    pub(crate) outstanding_area: u128,
    pub(crate) served: Vec<Served>,
    pub(crate) stamped: Box<Stamped>,
    /// The same of each stage of the load whose rate stays.
    pub(crate) stage_stamped: Vec<Option<Box<Stamped>>>,
    /// When the successful replies to requests of the window came.
    pub(crate) replies: Span,
    /// When the requests of the window were due.
    pub(crate) due: Span,
}

/// See the [module](self). One per thread.
pub(crate) struct Ledger {
    interval: Interval,
    open: bool,
    /// A copy of the run's window, refreshed each turn.
    window: Range<Nanos>,
    occupancy: Occupancy,
    replies: Span,
    due: Span,
    /// A request of the warm-up that ends from here on has outlived it, and counts.
    outlived: Nanos,
    /// When each stage of the load ends, and whether it is timed; empty without stages.
    stages: Arc<[(Nanos, bool)]>,
    /// The stamped clocks of each stage that is timed.
    stage_stamped: Vec<Option<Box<Stamped>>>,
    /// What each connection, caller or listener got.
    served: Vec<Served>,
    /// Those whose connection has receive stamps.
    has_stamps: Vec<bool>,
    /// When the bytes that are being handled arrived, where it is known.
    arrival: Option<Nanos>,
    /// Whether no reply of the present read has been counted yet.
    is_first: bool,
    stamped: Box<Stamped>,
    /// Successful replies that are alike and not counted yet.
    alike: Option<Alike>,
    timeline: Option<Timeline>,
    next_boundary: Nanos,
    /// Takes finished pieces.
    finished: Box<dyn FnMut(Interval) + Send>,
    /// Where replies are seen as they come, if anybody looks.
    pulse: Option<Arc<Pulse>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Of a run that has not begun; `open`: with the clocks of an open loop.
    pub(crate) fn new(open: bool, finished: Box<dyn FnMut(Interval) + Send>) -> Self {
        Self {
            interval: Interval::new(0, open),
            open,
            window: Nanos::MAX..Nanos::MAX,
            occupancy: Occupancy::default(),
            replies: Span::default(),
            due: Span::default(),
            outlived: Nanos::MAX,
            stages: Arc::default(),
            stage_stamped: Vec::new(),
            served: Vec::new(),
            has_stamps: Vec::new(),
            arrival: None,
            is_first: false,
            stamped: Box::default(),
            alike: None,
            timeline: None,
            next_boundary: Nanos::MAX,
            finished,
            pulse: None,
        }
    }

    pub(super) fn show_on(&mut self, pulse: Arc<Pulse>) {
        self.pulse = Some(pulse);
    }

    pub(super) fn begin(&mut self, timeline: &Timeline) {
        self.occupancy = Occupancy::new(timeline.window_start);
        self.next_boundary = timeline.piece_end(0);
        self.outlived = timeline.outlived();
        self.stages = timeline.stages();
        self.stage_stamped = vec![None; self.stages.len()];
        self.timeline = Some(timeline.clone());
    }

    /// Hands over the pieces that have ended by `now`.
    pub(super) fn tend(&mut self, now: Nanos, window: Range<Nanos>) {
        self.window = window;
        while now >= self.next_boundary && self.next_boundary < self.window.end {
            self.hand_over();
            let end = |timeline: &Timeline| timeline.piece_end(self.interval.index);
            self.next_boundary = self.timeline.as_ref().map_or(Nanos::MAX, end);
        }
    }

    fn hand_over(&mut self) {
        let next = Interval::new(self.interval.index + 1, self.open);
        (self.finished)(std::mem::replace(&mut self.interval, next));
    }

    /// When the next piece ends.
    pub(super) fn next_boundary(&self) -> Nanos {
        self.next_boundary
    }

    /// When the last successful reply to a request of the window came.
    pub(super) fn last_answer(&self) -> Option<Nanos> {
        self.replies.last()
    }

    /// The run is over: hands over the rest.
    pub(super) fn conclude(&mut self, now: Nanos) -> LedgerRecord {
        self.hand_over();
        LedgerRecord {
            outstanding_area: self.occupancy.area(now, self.window.end),
            served: std::mem::take(&mut self.served),
            stamped: std::mem::take(&mut self.stamped),
            stage_stamped: std::mem::take(&mut self.stage_stamped),
            replies: self.replies,
            due: self.due,
        }
    }

    /// So many connections, callers or listeners are counted apart.
    pub(super) fn enrol(&mut self, actors: u32) {
        self.served = vec![Served::default(); actors as usize];
        self.has_stamps = vec![false; actors as usize];
    }

    /// What an actor is sent has receive stamps, where its replies come over one connection.
    pub(super) fn has_stamps(&mut self, actor: u32) {
        if let Some(has_stamps) = self.has_stamps.get_mut(actor as usize) {
            *has_stamps = true;
        }
    }

    /// What is handled from now on arrived at this instant; `None`: nobody knows.
    #[inline]
    pub(super) fn arrives(&mut self, at: Option<Nanos>) {
        self.arrival = at;
        self.is_first = true;
    }

    /// When what is being handled arrived, where it is known.
    pub(crate) fn arrival(&self) -> Option<Nanos> {
        self.arrival
    }

    /// Whether a request counts if it ends at `at`: it is of the window, or has outlived the
    /// warm-up.
    pub(crate) fn belongs(&self, asked: &Asked, at: Nanos) -> bool {
        asked.measured || (asked.intended < self.window.start && at >= self.outlived)
    }

    /// The phase of the run that `at` lies in.
    pub(crate) fn phase(&self, at: Nanos) -> Phase {
        match &self.timeline {
            Some(timeline) if at >= timeline.start => {
                if at < self.window.start {
                    Phase::WarmUp
                } else if at < self.window.end {
                    Phase::Window
                } else {
                    Phase::Drain
                }
            }
            _ => Phase::SetUp,
        }
    }

    /// Whether a connection that is made at `at` is timed: during set-up, which has a record of
    /// its own, and in the window.
    pub(super) fn times_connections(&self, at: Nanos) -> bool {
        self.timeline.is_none() || self.window.contains(&at)
    }

    /// Requests of the window were due at this instant; each is to end.
    #[inline]
    pub(crate) fn schedule(&mut self, requests: u64, due: Nanos) {
        self.interval.tally.scheduled += requests;
        if requests > 0 {
            self.due.widen(due);
            if let Some(stage) = self.stage(due) {
                stage.tally.scheduled += requests;
            }
        }
    }

    /// What is measured of the stage that an instant lies in, where there are stages.
    #[inline]
    fn stage(&mut self, at: Nanos) -> Option<&mut StagePart> {
        let (stage, is_timed) = self.stage_at(at)?;
        Some(StagePart::of(&mut self.interval.stages, stage as u32, is_timed))
    }

    #[inline]
    fn stage_at(&self, at: Nanos) -> Option<(usize, bool)> {
        let last = self.stages.len().checked_sub(1)?;
        // What has outlived the warm-up is of the first, which has the same rate.
        let stage = self.stages.partition_point(|&(end, _)| end <= at).min(last);
        Some((stage, self.stages[stage].1))
    }

    /// The stamped clocks of the stage that an instant lies in, if it is timed.
    fn stamped_stage(&mut self, at: Nanos) -> Option<&mut Stamped> {
        let (stage, is_timed) = self.stage_at(at)?;
        is_timed.then(|| &mut **self.stage_stamped[stage].get_or_insert_default())
    }

    /// A request of the window that found a free slot was written that late, by our own fault.
    pub(crate) fn late(&mut self, due: Nanos, lateness: Nanos) {
        if let Some(open) = &mut self.interval.latencies.open {
            open.lateness.record(lateness);
        }
        let stage = self.stage(due).and_then(|stage| stage.latencies.as_mut());
        if let Some(open) = stage.and_then(|latencies| latencies.open.as_mut()) {
            open.lateness.record(lateness);
        }
    }

    /// Requests waited from when they were due until they were written or given up.
    pub(crate) fn waited(&mut self, requests: u64, due: Nanos, until: Nanos) {
        self.occupancy.waited(requests, due, until, self.window.end);
    }

    /// Requests were written, of the window or not.
    pub(crate) fn wrote(&mut self, requests: u64, now: Nanos) {
        self.occupancy.add(requests, now, self.window.end);
    }

    /// Bytes were sent.
    pub(crate) fn sent(&mut self, bytes: usize, now: Nanos) {
        if self.window.contains(&now) {
            self.interval.tally.bytes_sent += bytes as u64;
        }
    }

    /// Bytes were received.
    pub(crate) fn received(&mut self, bytes: usize, now: Nanos) {
        if self.window.contains(&now) {
            self.interval.tally.bytes_received += bytes as u64;
        }
    }

    /// So many requests of an actor got their own replies, the last byte `at` this instant.
    /// Counted at the latest by [`settle`](Self::settle): what was written together and read
    /// together has the same clocks, and is recorded at once.
    #[inline]
    pub(crate) fn succeed(&mut self, actor: u32, asked: &Asked, count: u64, at: Nanos) {
        if let Some(alike) = &mut self.alike
            && (alike.actor, alike.asked, alike.at) == (actor, *asked, at)
        {
            alike.count += count;
            return;
        }
        self.settle();
        self.alike = Some(Alike { actor, asked: *asked, at, count });
    }

    /// Counts the successful replies that are not counted yet.
    #[inline]
    pub(crate) fn settle(&mut self) {
        let Some(Alike { actor, asked, at, count }) = self.alike.take() else { return };
        self.occupancy.remove(count, at, self.window.end);
        let response = at.saturating_sub(asked.intended);
        self.pulse.iter().for_each(|pulse| pulse.answered(count, response));
        if self.window.contains(&at) {
            self.interval.tally.answered += count;
            if let Some(stage) = self.stage(at) {
                stage.tally.answered += count;
            }
            if let Some(served) = self.served.get_mut(actor as usize) {
                self.pulse.iter().for_each(|pulse| pulse.served(served.answered, count));
                served.answered += count;
                served.latency_ns += count * (at - asked.intended);
            }
        }
        if asked.measured {
            self.answer(&asked, at, count);
        } else if self.belongs(&asked, at) {
            self.schedule(count, asked.intended);
            self.answer(&asked, at, count);
        }
    }

    #[inline]
    fn answer(&mut self, asked: &Asked, at: Nanos, count: u64) {
        let written = asked.written.unwrap_or(asked.intended);
        self.interval.tally.ok += count;
        let in_drain = at >= self.window.end;
        self.interval.latencies.record((asked.intended, written, at), count, in_drain);
        self.replies.widen(at);
        let (arrival, sent) = (self.arrival, (asked.intended, asked.late(at), written));
        let exact = u64::from(arrival.is_some() && std::mem::take(&mut self.is_first));
        if let Some(arrived) = arrival {
            let own = self.stamped.record(sent, arrived, at, count);
            if let (Some(pulse), Some(own)) = (&self.pulse, own) {
                pulse.stamped(count, at - asked.intended, own);
            }
            self.stamped.exact += exact;
        }
        if let Some(stage) = self.stage(asked.intended) {
            stage.tally.ok += count;
            if let Some(latencies) = &mut stage.latencies {
                latencies.record((asked.intended, written, at), count, in_drain);
            }
        }
        if let Some(arrived) = arrival
            && let Some(stamped) = self.stamped_stage(asked.intended)
        {
            stamped.record(sent, arrived, at, count);
            stamped.exact += exact;
        }
    }

    /// A request of an actor has ended without success. Whether it counts.
    pub(crate) fn end(&mut self, actor: u32, asked: &Asked, ending: Ending, at: Nanos) -> bool {
        if asked.written.is_some() {
            self.occupancy.remove(1, at, self.window.end);
        } else {
            self.waited(1, asked.intended, at);
        }
        if !self.belongs(asked, at) {
            return false;
        }
        if !asked.measured {
            self.schedule(1, asked.intended);
        }
        *ending.count(&mut self.interval.tally) += 1;
        if let Some(stage) = self.stage(asked.intended) {
            *ending.count(&mut stage.tally) += 1;
        }
        self.pulse.iter().for_each(|pulse| pulse.failed());
        if ending.was_answered() {
            return true;
        }
        let in_drain = at >= self.window.end;
        let instants = (asked.intended, asked.written, at);
        self.interval.latencies.record_censored(instants, in_drain);
        let stamped = (self.has_stamps.get(actor as usize) == Some(&true))
            .then(|| (at.saturating_sub(asked.intended), asked.late(at)));
        if let Some((age, late)) = stamped {
            self.stamped.record_censored(age, late);
        }
        let stage = self.stage(asked.intended).and_then(|stage| stage.latencies.as_mut());
        if let Some(latencies) = stage {
            latencies.record_censored(instants, in_drain);
        }
        if let Some((age, late)) = stamped
            && let Some(stage) = self.stamped_stage(asked.intended)
        {
            stage.record_censored(age, late);
        }
        if ending != Ending::Refused
            && let Some(served) = self.served.get_mut(actor as usize)
        {
            served.unanswered += 1;
        }
        true
    }
}

#[cfg(test)]
impl Ledger {
    /// One whose pieces are of no interest, in the middle of a window.
    pub(crate) fn of_test(open: bool) -> Self {
        Self { window: 0..Nanos::MAX, ..Self::new(open, Box::new(drop)) }
    }

    pub(crate) fn interval(&mut self) -> &Interval {
        self.settle();
        &self.interval
    }
}
