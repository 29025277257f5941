//! What reaches a worker: replies, which are settled at the instant of their last byte, and
//! the ends of connections.

use echo_net::Nanos;
use echo_net::reactor::{Event, Handler, Key, Reactor};
use echo_net::tls::is_alert;
use echo_proto::Request as _;

use super::Worker;
use crate::engine::connection::Connection;
use crate::engine::demand::Demand;
use crate::engine::loss::Loss;
use crate::engine::unsealing::cut_off;

impl Worker {
    fn received<R: Reactor>(&mut self, reactor: &mut R, key: Key, bytes: &[u8]) {
        let at = reactor.now();
        let Some(&index) = self.places.get(key) else { return };
        if self.window().contains(&at) {
            self.interval.tally.bytes_received += bytes.len() as u64;
        }
        if self.connections[index as usize].tls.is_some() {
            self.unseal(reactor, key, index, bytes);
        } else {
            self.settle(reactor, key, index, bytes, at);
        }
    }

    /// Bytes of replies, the last of which came `at` this instant.
    pub(super) fn settle<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        index: u32,
        bytes: &[u8],
        at: Nanos,
    ) {
        let in_window = self.window().contains(&at);
        let Self { connections, messages, interval, .. } = self;
        let connection = &mut connections[index as usize];
        let Connection { requester, in_flight, number, .. } = connection;
        let (waiting, ok) = (in_flight.waiting(), interval.tally.ok);
        let right = in_flight.right_answers();
        let decoded = requester.decode(bytes, |reply| {
            in_flight.settle(*number, messages, reply, at, interval);
        });
        let ended = waiting - in_flight.waiting();
        if in_window {
            interval.tally.answered += in_flight.right_answers() - right;
        }
        if interval.tally.ok > ok {
            connection.prove();
            self.last_answer = Some(at);
        }
        self.occupancy.remove(ended.into(), at, self.window_end);
        let connection = &self.connections[index as usize];
        match decoded {
            Err(malformed) => {
                let loss = if is_alert(bytes) {
                    Loss::SpeaksTls
                } else {
                    Loss::Malformed(malformed.into())
                };
                return self.lost(reactor, key, loss);
            }
            // It would be closed with whatever is sent on it from now on.
            Ok(()) if connection.requester.is_over() => {
                // Before the load there is nothing to be made again for at once.
                let in_order = connection.in_flight.waiting() == 0 && self.timeline.is_some();
                return if in_order {
                    self.renew(reactor, index, at);
                } else {
                    self.lost(reactor, key, Loss::Closed);
                };
            }
            Ok(()) => {}
        }
        if ended > 0 && self.timeline.is_some() {
            self.feed(reactor, index, at);
        }
        // A long batch of events must not make what falls due meanwhile late.
        if self.demand.as_ref().and_then(Demand::next_due).is_some_and(|due| due <= at) {
            self.send_due(reactor, at);
        }
    }
}

impl<R: Reactor> Handler<R> for Worker {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        self.events += 1;
        match event {
            Event::Connected => {
                if let Some(&index) = self.places.get(key) {
                    self.connected(reactor, index);
                }
            }
            Event::Received(bytes) => self.received(reactor, key, bytes),
            Event::EndOfInput => {
                let Some(&index) = self.places.get(key) else { return };
                let connection = &mut self.connections[index as usize];
                let loss = if is_alert(connection.requester.partial()) {
                    Loss::SpeaksTls
                } else {
                    Loss::ended(cut_off(connection.tls.as_mut()))
                };
                self.lost(reactor, key, loss);
            }
            // What was given up while the peer did not read has left slots to be filled.
            Event::Sent => {
                let now = reactor.now();
                if let Some(&index) = self.places.get(key)
                    && self.timeline.as_ref().is_some_and(|timeline| now >= timeline.start)
                {
                    self.feed(reactor, index, now);
                }
            }
            Event::Failed(error) => {
                let Some(&index) = self.places.get(key) else { return };
                let partial = self.connections[index as usize].requester.partial();
                let loss =
                    if is_alert(partial) { Loss::SpeaksTls } else { Loss::Broken(error) };
                self.lost(reactor, key, loss);
            }
        }
    }
}
