//! What reaches a worker: replies, which are settled at the instant of their last byte, and
//! the ends of connections.

use echo_net::Nanos;
use echo_net::reactor::{Event, Handler, Key, Reactor};
use echo_net::stop::Stage;
use echo_net::tls::is_alert;
use echo_proto::{Reply, Request as _};

use super::Worker;
use crate::engine::connection::Connection;
use crate::engine::demand::Demand;
use crate::engine::loss::Loss;
use crate::engine::misdirected::Misdirected;
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
            self.settle(reactor, key, index, Some(bytes), at);
        }
    }

    /// The server has ended a connection in order: its last reply may end thereby.
    pub(super) fn ended<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        index: u32,
        at: Nanos,
    ) {
        self.settle(reactor, key, index, None, at);
        self.lost(reactor, key, Loss::Closed);
    }

    /// Bytes of replies, the last of which came `at` this instant, or the end of them.
    pub(super) fn settle<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        index: u32,
        bytes: Option<&[u8]>,
        at: Nanos,
    ) {
        let in_window = self.window().contains(&at);
        let Self { connections, messages, interval, .. } = self;
        let connection = &mut connections[index as usize];
        let Connection { requester, opening, in_flight, number, .. } = connection;
        let (waiting, ok) = (in_flight.waiting(), interval.tally.ok);
        let right = in_flight.right_answers();
        let each = |reply: Reply<'_>| in_flight.settle(*number, messages, reply, at, interval);
        let decoded = if let Some(bytes) = bytes {
            opening.hear(bytes);
            requester.decode(bytes, each)
        } else {
            requester.end_of_input(each);
            Ok(())
        };
        let ended = waiting - in_flight.waiting();
        if in_window {
            interval.tally.answered += in_flight.right_answers() - right;
        }
        if interval.tally.ok > ok {
            connection.prove();
            self.last_answer = Some(at);
        }
        self.occupancy.remove(ended.into(), at, self.window_end);
        if self.connections[index as usize].in_flight.right_answers() == 0 {
            self.judge_opening(index);
        }
        let connection = &self.connections[index as usize];
        match decoded {
            Err(malformed) => {
                let loss = if bytes.is_some_and(is_alert) {
                    Loss::SpeaksTls
                } else {
                    Loss::Malformed(malformed)
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

impl Worker {
    /// Ends the run if the server speaks something else, by what it said first on a connection
    /// without a right answer.
    #[cold]
    fn judge_opening(&mut self, index: u32) {
        let connection = &self.connections[index as usize];
        let (target, opening) = (connection.target, connection.opening);
        if let Some(seen) = Misdirected::other(target, &self.plan, opening) {
            self.misdirect(seen);
        }
    }

    /// Ends the run, unless this server has given right answers: then it is a fault of it like
    /// any other.
    pub(super) fn misdirect(&mut self, seen: Misdirected) {
        let proven = |connection: &Connection| connection.in_flight.right_answers() > 0;
        if !self.connections.iter().any(proven) {
            self.misdirected = Some(seen);
            self.draining.stop().advance(Stage::Forced);
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
                if is_alert(connection.requester.partial()) {
                    return self.lost(reactor, key, Loss::SpeaksTls);
                }
                match Loss::ended(cut_off(connection.tls.as_mut())) {
                    Loss::Closed => {
                        let at = reactor.now();
                        self.ended(reactor, key, index, at);
                    }
                    loss => self.lost(reactor, key, loss),
                }
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
