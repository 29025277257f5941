//! What reaches the members: texts, being let in, and the end of a connection.

use std::io;

use echo_net::Nanos;
use echo_net::reactor::{Event, Handler, Key, Reactor};
use echo_net::stop::Stage;
use echo_net::tls::Fault;

use super::ChatWorker;
use super::member::{Heard, State};
use crate::engine::demand::Demand;
use crate::engine::loss::{Loss, kind_of_unmade};
use crate::engine::misdirected::Misdirected;
use crate::engine::unsealing::{cut_off, failure_of_handshake};
use crate::record::{FailureKind, FirstOffender};

impl ChatWorker {
    fn received<R: Reactor>(&mut self, reactor: &mut R, key: Key, bytes: &[u8]) {
        let at = reactor.now();
        let Some(&listener) = self.places.get(key) else { return };
        if self.window().contains(&at) {
            self.interval.tally.bytes_received += bytes.len() as u64;
        }
        if self.members[listener as usize].tls.is_some() {
            self.unseal(reactor, key, listener, bytes);
        } else {
            self.hear(reactor, key, listener, bytes, at);
        }
    }

    /// Bytes of lines, the last of which came `at` this instant.
    pub(super) fn hear<R: Reactor>(
        &mut self,
        reactor: &mut R,
        key: Key,
        listener: u32,
        bytes: &[u8],
        at: Nanos,
    ) {
        self.judge_opening(listener, bytes);
        self.count_area(at);
        let in_window = self.window().contains(&at);
        let Self { members, books, messages, interval, .. } = self;
        let (mut joined, mut right) = (false, 0);
        let heard = members[listener as usize].hear(bytes, |heard| match heard {
            Heard::Joined => joined = true,
            Heard::Text { speaker, body } => {
                right +=
                    u64::from(books.heard(listener, speaker, body, messages, at, interval));
            }
            Heard::Error(text) => interval.errors.count(FailureKind::ErrorReply, || {
                let detail = text.escape_ascii().to_string();
                FirstOffender { connection: listener, request: None, detail, difference: None }
            }),
        });
        if right > 0 {
            self.last_answer = Some(at);
        }
        if in_window {
            self.interval.tally.answered += right;
        }
        if joined {
            self.joined(reactor, listener, key);
        }
        if let Err(too_long) = heard {
            self.lost(reactor, key, Loss::Malformed(too_long.into()));
        }
        // A long batch of events must not make what falls due meanwhile late.
        if self.demand.as_ref().and_then(Demand::next_due).is_some_and(|due| due <= at) {
            self.speak_due(reactor, at);
        }
    }

    /// Ends the run if the server is none of chat, by what it said first to a member who waits
    /// to be let in.
    fn judge_opening(&mut self, listener: u32, bytes: &[u8]) {
        let member = &mut self.members[listener as usize];
        if member.state != State::Joining {
            return;
        }
        member.opening.hear(bytes);
        let seen = Misdirected::other(member.target, &self.plan, member.opening);
        if seen.is_some() && self.joined_so_far() == 0 {
            self.misdirected = seen;
            self.draining.stop().advance(Stage::Forced);
        }
    }

    /// Members below this number only join.
    pub(super) fn deaf(&self) -> u32 {
        self.plan.chat.as_ref().map_or(0, |chat| chat.deaf)
    }

    fn joined<R: Reactor>(&mut self, reactor: &mut R, number: u32, key: Key) {
        self.joining -= 1;
        if number < self.deaf() {
            self.members[number as usize].state = State::Deaf;
            reactor.pause(key);
        } else {
            self.members[number as usize].state = State::In;
            self.books.listen(number);
        }
    }

    /// The connection is made.
    fn connected<R: Reactor>(&mut self, reactor: &mut R, key: Key) {
        let Some(&number) = self.places.get(key) else { return };
        let now = reactor.now();
        let member = &mut self.members[number as usize];
        self.connect.record(now - member.dialled_at);
        member.connected_at = now;
        self.destinations.made(member.target);
        if self.peer.tls.is_some() {
            self.shake_hands(reactor, key, number);
        } else {
            self.introduce(reactor, key, number);
        }
    }

    /// Asks to be let in.
    pub(super) fn introduce<R: Reactor>(&mut self, reactor: &mut R, key: Key, number: u32) {
        let member = &mut self.members[number as usize];
        member.state = State::Joining;
        self.line.clear();
        self.line.extend_from_slice(member.introduction().as_bytes());
        self.say(reactor, number, key);
    }

    pub(super) fn lost<R: Reactor>(&mut self, reactor: &mut R, key: Key, loss: Loss) {
        let Some(number) = self.places.remove(key) else { return };
        let now = reactor.now();
        reactor.close(key);
        let member = &mut self.members[number as usize];
        let before = std::mem::replace(&mut member.state, State::Gone);
        (member.key, member.tls) = (None, None);
        match before {
            State::Handshaking => {
                self.joining -= 1;
                let error = loss.into_error(io::Error::other(Fault::Unfinished));
                let fault = error.get_ref().and_then(|error| error.downcast_ref());
                let kind = fault.map_or(FailureKind::TlsHandshake, failure_of_handshake);
                self.blame(number, kind, error.to_string());
                self.failure.get_or_insert(error);
            }
            State::Dialling => {
                self.joining -= 1;
                let error = loss.into_error(io::ErrorKind::UnexpectedEof);
                self.not_connected(reactor, number, kind_of_unmade(&error), error);
            }
            State::Joining => {
                self.joining -= 1;
                let error = loss.into_error(io::ErrorKind::UnexpectedEof);
                self.blame(number, kind_of_unmade(&error), error.to_string());
                self.failure.get_or_insert(error);
            }
            // That is what a server should do to who never reads.
            State::Deaf | State::Gone => {}
            State::In => {
                self.count_area(now);
                let (kind, ending) = loss.counts_as();
                let missed = self.books.deafen(number, now, &mut self.interval, ending);
                self.blame(number, kind, format!("{loss}, deliveries missed: {missed}"));
            }
        }
    }
}

impl<R: Reactor> Handler<R> for ChatWorker {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        self.events += 1;
        match event {
            Event::Connected => self.connected(reactor, key),
            Event::Received(bytes) => self.received(reactor, key, bytes),
            Event::EndOfInput => {
                let Some(&number) = self.places.get(key) else { return };
                let cut_off = cut_off(self.members[number as usize].tls.as_mut());
                self.lost(reactor, key, Loss::ended(cut_off));
            }
            Event::Sent => {}
            Event::Failed(error) => self.lost(reactor, key, Loss::Broken(error)),
        }
    }
}
