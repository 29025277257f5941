//! The end of a worker's run: what has not ended is given up, and counted.

use echo_net::Nanos;
use echo_net::reactor::Reactor;

use super::{Outcome, Worker};
use crate::engine::busy_clock::BusyClock;
use crate::engine::connection::State;
use crate::record::{FailureKind, FirstOffender, Interval};

impl Worker {
    /// Ends what has not ended and tells the rest of the story.
    pub(super) fn conclude<R: Reactor>(
        &mut self,
        reactor: &mut R,
        busy: &BusyClock,
    ) -> Outcome {
        let now = reactor.now();
        self.give_up_schedule(now);
        let mut kernel = std::mem::take(&mut self.kernel);
        for connection in &mut self.connections {
            let waiting = u64::from(connection.in_flight.measured());
            self.interval.errors.count_many(FailureKind::InFlight, waiting, || FirstOffender {
                connection: connection.number,
                request: None,
                detail: "no reply when the drain ended".into(),
                difference: None,
            });
            let interval = &mut self.interval;
            connection.in_flight.abandon(now, interval, |tally| &mut tally.in_flight);
            if let Some(key) = connection.key.filter(|_| connection.state == State::Up) {
                kernel.add(reactor.tcp_info(key), reactor.buffer_sizes(key));
            }
        }
        self.end_streams(reactor);
        let last = Interval::new(self.interval.index + 1, self.plan.load.is_open());
        (self.finished)(std::mem::replace(&mut self.interval, last));
        Outcome {
            alive_at_end: self.connections.iter().filter(|c| c.is_up()).count() as u32,
            reconnects: self.reconnects,
            connect: std::mem::take(&mut self.connect),
            handshakes: std::mem::take(&mut self.handshakes),
            outstanding_area: self.occupancy.area(now, self.window_end),
            last_answer: self.last_answer,
            busy: busy.share(),
            kernel,
            pool: None,
            destinations: std::mem::take(&mut self.destinations),
            misdirected: self.misdirected.take(),
        }
    }

    /// Requests that fell due and were never sent.
    fn give_up_schedule(&mut self, now: Nanos) {
        let (Some(demand), Some(timeline)) = (&mut self.demand, &self.timeline) else { return };
        // A number of requests decides: what was not claimed was never asked for.
        let end = if self.window_end == Nanos::MAX { 0 } else { self.window_end };
        for (index, connection) in self.connections.iter().enumerate() {
            let mut unsent = 0;
            for intended in demand.take_rest(index as u32, end) {
                if intended >= timeline.window_start {
                    unsent += 1;
                    self.interval.latencies.record_censored(intended, None, now);
                }
            }
            // Without a socket of ours the server was not even asked.
            let (kind, count) = if connection.established || connection.lacks_socket {
                (FailureKind::Unsent, &mut self.interval.tally.unsent)
            } else {
                (FailureKind::Refused, &mut self.interval.tally.refused)
            };
            *count += unsent;
            self.interval.tally.scheduled += unsent;
            self.interval.errors.count_many(kind, unsent, || FirstOffender {
                connection: connection.number,
                request: Some(connection.in_flight.next_request()),
                detail: "it was due and could not be sent".into(),
                difference: None,
            });
        }
    }
}
