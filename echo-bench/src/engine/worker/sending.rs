//! What a worker sends: the due requests of a schedule, or the next of a closed loop.

use echo_net::Nanos;
use echo_net::reactor::Reactor;
use echo_net::tls::Transform;
use echo_proto::Request;

use super::Worker;
use crate::engine::in_flight::InFlight;
use crate::plan::Load;

/// A request that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    intended: Nanos,
    measured: bool,
}

impl Worker {
    /// Sends what an open-loop schedule has made due.
    pub(super) fn send_due<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        while let Some(demand) = &mut self.demand {
            let Some(index) = demand.pop_due(now) else { return };
            if demand.peek(index) >= self.window_end {
                // Nothing more of it is wanted.
                demand.set_aside(index);
                continue;
            }
            self.send_scheduled(reactor, index, now, true);
        }
    }

    /// Sends the due requests of a connection as far as it has free slots. They are late by
    /// our own fault (`on_time`) unless it had none before.
    fn send_scheduled<R: Reactor>(
        &mut self,
        reactor: &mut R,
        index: u32,
        now: Nanos,
        on_time: bool,
    ) {
        let (Some(demand), Some(timeline)) = (&mut self.demand, &self.timeline) else { return };
        let connection = &mut self.connections[index as usize];
        let (pipeline, most) = (self.plan.load.pipeline(), self.plan.reconnect_after);
        let mut free = connection.free_slots(pipeline, most);
        let mut batch = std::mem::take(&mut self.batch);
        while free > 0 && demand.peek(index) <= now && demand.peek(index) < self.window_end {
            let intended = demand.peek(index);
            let measured = intended >= timeline.window_start;
            if measured && timeline.claim(1) == 0 {
                break;
            }
            demand.advance(index);
            free -= 1;
            batch.push(Due { intended, measured });
        }
        if demand.peek(index) <= now {
            demand.set_aside(index);
        } else {
            demand.put_back(index);
        }
        if !batch.is_empty() {
            let written = self.transmit(reactor, index, batch.len() as u32, |slots, at| {
                for due in &batch {
                    slots.push(due.intended, at, due.measured);
                }
            });
            for due in batch.iter().filter(|due| due.measured) {
                self.interval.tally.scheduled += 1;
                if on_time && let Some(open) = &mut self.interval.latencies.open {
                    open.lateness.record(written - due.intended);
                }
            }
        }
        batch.clear();
        self.batch = batch;
    }

    /// Fills the free slots of a connection of a closed loop.
    pub(super) fn fill<R: Reactor>(&mut self, reactor: &mut R, index: u32, now: Nanos) {
        let Load::Closed { pipeline } = self.plan.load else { return };
        let Some(timeline) = &self.timeline else { return };
        let connection = &self.connections[index as usize];
        let free = u64::from(connection.free_slots(pipeline, self.plan.reconnect_after));
        if free == 0 || now >= self.window_end {
            return;
        }
        let due = now >= timeline.window_start;
        let granted = if due { timeline.claim(free) } else { free };
        if granted == 0 {
            return;
        }
        // Requests that were claimed are of the window; else the instant of the write decides.
        let (counted, window) = (timeline.counts_requests(), self.window());
        let mut measured = false;
        self.transmit(reactor, index, granted as u32, |slots, at| {
            measured = if counted { due } else { window.contains(&at) };
            for _ in 0..granted {
                slots.push(at, at, measured);
            }
        });
        if measured {
            self.interval.tally.scheduled += granted;
        }
    }

    /// Encodes the next `requests` requests of a connection, books them with `book` at the
    /// instant before the write, and sends them; that instant.
    fn transmit<R: Reactor>(
        &mut self,
        reactor: &mut R,
        index: u32,
        requests: u32,
        book: impl FnOnce(&mut InFlight, Nanos),
    ) -> Nanos {
        let connection = &mut self.connections[index as usize];
        let Some(key) = connection.key else { return reactor.now() };
        let first = connection.in_flight.next_request();
        self.wire.clear();
        // Where writes end, but for the last.
        let mut cuts = Vec::new();
        for request in first..first + u64::from(requests) {
            let start = self.wire.len();
            self.messages.write(connection.number, request, &mut self.text);
            connection.requester.encode(request, &self.text, &mut self.wire);
            if self.plan.split_writes > 1 {
                let pieces = self.plan.split_writes as usize;
                let piece = (self.wire.len() - start).div_ceil(pieces).max(1);
                cuts.extend((start..self.wire.len()).step_by(piece).skip(1));
                cuts.push(self.wire.len());
            }
        }
        if let Some(tls) = &mut connection.tls {
            seal(tls, &mut self.wire, &mut cuts, &mut self.sealed);
        }
        let now = reactor.now();
        book(&mut connection.in_flight, now);
        self.occupancy.add(u64::from(requests), now, self.window_end);
        if self.window().contains(&now) {
            self.interval.tally.bytes_sent += self.wire.len() as u64;
        }
        let mut start = 0;
        for end in cuts.into_iter().chain([self.wire.len()]) {
            if end > start {
                reactor.send(key, &self.wire[start..end]);
            }
            start = end;
        }
        now
    }

    /// Gives a connection with free slots its next requests.
    pub(super) fn feed<R: Reactor>(&mut self, reactor: &mut R, index: u32, now: Nanos) {
        let worn_out = self.connections[index as usize].is_worn_out(self.plan.reconnect_after);
        if worn_out && self.is_wanted(index, now) {
            return self.renew(reactor, index, now);
        }
        match &self.demand {
            None => self.fill(reactor, index, now),
            Some(demand)
                if demand.is_set_aside(index) && demand.peek(index) < self.window_end =>
            {
                self.send_scheduled(reactor, index, now, false);
            }
            Some(_) => {}
        }
    }
}

/// Encrypts each write of `wire`; `sealed` is room for it.
fn seal(tls: &mut Transform, wire: &mut Vec<u8>, cuts: &mut [usize], sealed: &mut Vec<u8>) {
    sealed.clear();
    let mut start = 0;
    for cut in cuts {
        tls.send(&wire[start..*cut], sealed);
        start = std::mem::replace(cut, sealed.len());
    }
    tls.send(&wire[start..], sealed);
    std::mem::swap(wire, sealed);
}
