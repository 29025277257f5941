//! Which requests of an open-loop schedule are due: [`Demand`]. A connection without a free
//! slot is set aside, and its place in the schedule waits with it: nothing due is skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use echo_net::Nanos;

use crate::plan::Plan;
use crate::schedule::ArrivalStream;

/// The schedule of one worker's connections.
#[derive(Debug)]
pub(crate) struct Demand {
    start: Nanos,
    streams: Vec<Stream>,
    /// The next due instant of every connection that is not set aside.
    due: BinaryHeap<Reverse<(Nanos, u32)>>,
}

#[derive(Debug)]
struct Stream {
    arrivals: ArrivalStream,
    /// The earliest request that was not taken yet.
    next: Nanos,
    set_aside: bool,
}

impl Demand {
    /// The schedule of the connections with these `numbers` among all that ask, from `start` on;
    /// `None` for a closed loop.
    pub(crate) fn new(
        plan: &Plan,
        numbers: impl Iterator<Item = u32>,
        fleet: u32,
        start: Nanos,
    ) -> Option<Self> {
        let schedule = plan.load.schedule(plan.seed, plan.warmup_ns)?;
        let mut demand = Self { start, streams: Vec::new(), due: BinaryHeap::new() };
        for (index, number) in numbers.enumerate() {
            let arrivals = schedule.stream(number, fleet);
            demand.streams.push(Stream { arrivals, next: 0, set_aside: false });
            demand.advance(index as u32);
            demand.due.push(Reverse((demand.streams[index].next, index as u32)));
        }
        Some(demand)
    }

    /// The next instant at which a connection that is not set aside has a request due.
    pub(crate) fn next_due(&self) -> Option<Nanos> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a connection with a request due at `now` or earlier off the heap; it must be
    /// [put back](Self::put_back) or [set aside](Self::set_aside).
    pub(crate) fn pop_due(&mut self, now: Nanos) -> Option<u32> {
        if self.next_due()? > now {
            return None;
        }
        self.due.pop().map(|Reverse((_, index))| index)
    }

    /// The earliest request of a connection that was not taken yet.
    pub(crate) fn peek(&self, index: u32) -> Nanos {
        self.streams[index as usize].next
    }

    /// Takes the earliest request of a connection.
    pub(crate) fn advance(&mut self, index: u32) {
        let stream = &mut self.streams[index as usize];
        let offset = stream.arrivals.next().unwrap_or(Nanos::MAX);
        stream.next = self.start.saturating_add(offset);
    }

    /// Puts a connection back on the heap.
    pub(crate) fn put_back(&mut self, index: u32) {
        let stream = &mut self.streams[index as usize];
        stream.set_aside = false;
        self.due.push(Reverse((stream.next, index)));
    }

    /// Sets a connection aside: it has a request due and can't send it.
    pub(crate) fn set_aside(&mut self, index: u32) {
        self.streams[index as usize].set_aside = true;
    }

    /// Whether a connection is set aside.
    pub(crate) fn is_set_aside(&self, index: u32) -> bool {
        self.streams[index as usize].set_aside
    }

    /// Whether a connection that is set aside has a request due before `end`.
    pub(crate) fn has_backlog(&self, end: Nanos) -> bool {
        self.streams.iter().any(|stream| stream.set_aside && stream.next < end)
    }

    /// Takes and returns all requests of a connection that were due before `end`.
    pub(crate) fn take_rest(&mut self, index: u32, end: Nanos) -> impl Iterator<Item = Nanos> {
        std::iter::from_fn(move || {
            let at = self.peek(index);
            (at < end).then(|| {
                self.advance(index);
                at
            })
        })
    }
}
