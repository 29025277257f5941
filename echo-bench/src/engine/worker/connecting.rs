//! A worker's connections: made, lost, made again.

use std::io;

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::destinations::Route;
use echo_net::reactor::{Key, Reactor};
use echo_net::socket::{ConnectOptions, SocketOptions};
use echo_net::tls::Fault;

use super::{DIALLING, Worker};
use crate::engine::connection::State;
use crate::engine::demand::Demand;
use crate::engine::loss::{Loss, kind_of_unmade};
use crate::engine::misdirected::Misdirected;
use crate::engine::timeline::Timeline;
use crate::record::{FailureKind, FirstOffender};

impl Worker {
    pub(super) fn dial<R: Reactor>(&mut self, reactor: &mut R, index: u32) {
        let connection = &mut self.connections[index as usize];
        let turn = connection.number as usize + connection.dials as usize;
        connection.dials = connection.dials.wrapping_add(1);
        let Route { target, source } = self.destinations.route(turn);
        connection.target = target;
        let socket = &self.plan.socket;
        let options = ConnectOptions {
            target,
            source,
            socket: SocketOptions {
                nodelay: socket.nodelay,
                send_buffer: socket.send_buffer,
                recv_buffer: socket.recv_buffer,
                keepalive: None,
            },
        };
        let now = reactor.now();
        match reactor.connect(&options) {
            Ok(key) => {
                connection.key = Some(key);
                connection.state = State::Dialling(now);
                self.places.insert(key, index);
                self.dialling += 1;
            }
            Err(error) => self.not_connected(reactor, index, kind_of_unmade(&error), error),
        }
    }

    /// A connection was not made: it goes to another address, where that may help.
    fn not_connected<R: Reactor>(
        &mut self,
        reactor: &mut R,
        index: u32,
        kind: FailureKind,
        error: io::Error,
    ) {
        let target = self.connections[index as usize].target;
        if self.destinations.failed(target, &error) {
            return self.dial(reactor, index);
        }
        self.connect_failed(index, kind, error, reactor.now());
    }

    pub(super) fn connect_failed(
        &mut self,
        index: u32,
        kind: FailureKind,
        error: io::Error,
        now: Nanos,
    ) {
        let connection = &mut self.connections[index as usize];
        self.interval.errors.count(kind, || FirstOffender {
            connection: connection.number,
            request: None,
            detail: error.to_string(),
            difference: None,
        });
        self.failure.get_or_insert(error);
        connection.lacks_socket = kind == FailureKind::NoSocket;
        connection.down(now);
        self.down += 1;
    }

    /// Gives up connections that are not made in time.
    pub(super) fn expire_dials<R: Reactor>(&mut self, reactor: &mut R) {
        if self.dialling == 0 {
            return;
        }
        let now = reactor.now();
        for index in 0..self.connections.len() as u32 {
            let connection = &self.connections[index as usize];
            let (since, kind) = match connection.state {
                State::Dialling(since) => (since, FailureKind::ConnectTimeout),
                State::Handshaking { dialled, .. } => (dialled, FailureKind::TlsHandshake),
                _ => continue,
            };
            if now < since + self.plan.timeout_ns {
                continue;
            }
            if let Some(key) = connection.key {
                reactor.close(key);
                self.places.remove(key);
            }
            self.dialling -= 1;
            let seconds = (now - since) as f64 / SECOND as f64;
            let reason = match kind {
                FailureKind::TlsHandshake => format!(
                    "no TLS handshake within {seconds:.1} s (does the server speak TLS? see \
                     --timeout)"
                ),
                _ => format!("no answer within {seconds:.1} s (see --timeout)"),
            };
            let error = io::Error::new(io::ErrorKind::TimedOut, reason);
            match kind {
                FailureKind::ConnectTimeout => self.not_connected(reactor, index, kind, error),
                _ => self.connect_failed(index, kind, error, now),
            }
        }
    }

    pub(super) fn redial<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        self.dial_worn_out(reactor, now);
        if now >= self.window_end || self.down == 0 {
            return;
        }
        for index in 0..self.connections.len() as u32 {
            let due = match self.connections[index as usize].state {
                State::Down(Some(at)) => at <= now && self.dialling < DIALLING,
                _ => false,
            };
            if due {
                self.down -= 1;
                self.dial(reactor, index);
            }
        }
    }

    pub(super) fn connected<R: Reactor>(&mut self, reactor: &mut R, index: u32) {
        let State::Dialling(since) = self.connections[index as usize].state else { return };
        let now = reactor.now();
        self.destinations.made(self.connections[index as usize].target);
        self.connect.record(now - since);
        if self.peer.tls.is_some() {
            self.shake_hands(reactor, index, since, now);
        } else {
            self.established(reactor, index, now);
        }
    }

    /// A connection is ready for requests.
    pub(super) fn established<R: Reactor>(&mut self, reactor: &mut R, index: u32, now: Nanos) {
        self.dialling -= 1;
        self.connections[index as usize].up();
        if self.timeline.is_some() {
            self.reconnects += 1;
            self.feed(reactor, index, now);
            self.dial_worn_out(reactor, now);
        }
    }

    /// Closes a connection that has had its requests and their answers, and makes it again
    /// if there are more.
    pub(super) fn renew<R: Reactor>(&mut self, reactor: &mut R, index: u32, now: Nanos) {
        let connection = &mut self.connections[index as usize];
        let Some(key) = connection.key else { return };
        if let Some(tls) = &mut connection.tls {
            self.wire.clear();
            tls.close(&mut self.wire);
            self.post(reactor, key, now);
        }
        let connection = &mut self.connections[index as usize];
        self.kernel.add(reactor.tcp_info(key), reactor.buffer_sizes(key));
        reactor.close(key);
        self.places.remove(key);
        // What was given up will not be answered any more.
        connection.in_flight.abandon(now, &mut self.interval, |tally| &mut tally.closed);
        connection.requester = self.plan.requester();
        connection.renew();
        if self.is_wanted(index, now) {
            self.worn_out.push_back(index);
            self.dial_worn_out(reactor, now);
        }
    }

    /// Whether there are or will be requests for a connection.
    pub(super) fn is_wanted(&self, index: u32, now: Nanos) -> bool {
        let backlog = |demand: &Demand| demand.peek(index) < self.window_end;
        let spent = self.timeline.as_ref().is_none_or(Timeline::is_spent);
        !spent && (now < self.window_end || self.demand.as_ref().is_some_and(backlog))
    }

    /// Makes connections again that were closed by us, as many as may be made at one time.
    pub(super) fn dial_worn_out<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        while self.dialling < DIALLING
            && let Some(index) = self.worn_out.pop_front()
        {
            if self.is_wanted(index, now) {
                self.dial(reactor, index);
            }
        }
    }

    /// A connection is of no more use.
    pub(super) fn lost<R: Reactor>(&mut self, reactor: &mut R, key: Key, loss: Loss) {
        let Some(index) = self.places.remove(key) else { return };
        let now = reactor.now();
        if matches!(loss, Loss::SpeaksTls) {
            self.misdirect(Misdirected::tls(self.connections[index as usize].target));
        }
        let connection = &mut self.connections[index as usize];
        reactor.close(key);
        if let State::Dialling(_) | State::Handshaking { .. } = connection.state {
            let dialling = matches!(connection.state, State::Dialling(_));
            self.dialling -= 1;
            let error = loss.into_error(io::Error::other(Fault::Unfinished));
            return if dialling {
                self.not_connected(reactor, index, kind_of_unmade(&error), error);
            } else {
                self.connect_failed(index, FailureKind::TlsHandshake, error, now);
            };
        }
        let waiting = connection.in_flight.waiting();
        let number = connection.number;
        let request = connection.in_flight.oldest_waiting();
        let (kind, ending) = loss.counts_as();
        self.interval.errors.count(kind, || FirstOffender {
            connection: number,
            request,
            detail: format!("{loss}, requests unanswered: {waiting}"),
            difference: None,
        });
        if loss.is_answer() {
            connection.in_flight.garble(now, &mut self.interval);
        }
        connection.in_flight.abandon(now, &mut self.interval, ending);
        connection.requester = self.plan.requester();
        connection.down(now);
        self.down += 1;
        self.occupancy.remove(waiting.into(), now, self.window_end);
    }

    pub(super) fn expire_requests<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        let Some(before) = now.checked_sub(self.plan.timeout_ns) else { return };
        if now < self.next_expiry {
            return;
        }
        // What is written from now on has at least the whole timeout.
        let mut oldest = now;
        for index in 0..self.connections.len() as u32 {
            let connection = &mut self.connections[index as usize];
            let (slots, number) = (&mut connection.in_flight, connection.number);
            let expired = slots.expire(number, before, now, &mut self.interval);
            oldest = oldest.min(slots.oldest_written().unwrap_or(now));
            if expired > 0 {
                // A peer that does not even read would be sent ever more for nothing.
                let unread = connection.key.is_some_and(|key| reactor.unsent(key) > 0);
                self.occupancy.remove(expired.into(), now, self.window_end);
                if !unread {
                    self.feed(reactor, index, now);
                }
            }
        }
        self.next_expiry = oldest.saturating_add(self.plan.timeout_ns);
    }
}
