//! The members of a chat room: [`ChatWorker`]. Each joins under a name, says something when
//! the schedule wants it, and hears what the others say. What is measured is the delivery:
//! from the instant at which a message was due to its arrival at a member.
//!
//! One thread drives all members, since every message is heard by all of them.

mod books;
mod hearing;
mod member;
mod secured;

use std::io;
use std::sync::Arc;

use echo_net::Nanos;
use echo_net::destinations::{Destinations, Route};
use echo_net::reactor::{Key, Reactor};
use echo_net::socket::{ConnectOptions, SocketOptions};
use echo_net::stop::{Stage, Stop};
use slotmap::SecondaryMap;

use self::books::Books;
use self::member::{Member, State};
use super::busy_clock::BusyClock;
use super::demand::Demand;
use super::dial_rate::DialRate;
use super::draining::Draining;
use super::handshakes::Handshakes;
use super::kernel_facts::KernelFacts;
use super::loss::kind_of_unmade;
use super::misdirected::Misdirected;
use super::timeline::Timeline;
use super::waiting::Waiting;
use super::worker::{DIALLING, LONGEST_WAIT, Outcome, Setup};
use super::{Labour, Peer};
use crate::messages::Messages;
use crate::plan::Plan;
use crate::record::{FailureKind, FirstOffender, Interval, Latency};

/// See the [module](self).
pub(super) struct ChatWorker {
    plan: Arc<Plan>,
    messages: Arc<Messages>,
    peer: Peer,
    destinations: Destinations,
    draining: Draining,
    members: Vec<Member>,
    /// Finds the member that an event is about.
    places: SecondaryMap<Key, u32>,
    books: Books,
    begun: u32,
    joining: usize,
    connect: Latency,
    handshakes: Handshakes,
    failure: Option<io::Error>,
    misdirected: Option<Misdirected>,
    timeline: Option<Timeline>,
    window_end: Nanos,
    demand: Option<Demand>,
    interval: Interval,
    next_boundary: Nanos,
    last_answer: Option<Nanos>,
    events: u64,
    /// Delivery-nanoseconds outstanding within the window, and since when.
    area: u128,
    counted_to: Nanos,
    /// Reused: a message, the line that it is said in, and what is sent and was received
    /// where TLS is spoken.
    text: Vec<u8>,
    line: Vec<u8>,
    wire: Vec<u8>,
    plaintext: Vec<u8>,
    finished: Box<dyn FnMut(Interval) + Send>,
}

impl ChatWorker {
    /// Of all members of the plan.
    pub(super) fn new(
        plan: Arc<Plan>,
        messages: Arc<Messages>,
        peer: Peer,
        stop: Stop,
        finished: Box<dyn FnMut(Interval) + Send>,
    ) -> Self {
        let first = peer.addresses[0];
        let member = |number| Member::new(number, first, &plan);
        let members = (0..plan.connections).map(member).collect();
        Self {
            books: Books::new(plan.connections as usize),
            members,
            places: SecondaryMap::new(),
            begun: 0,
            joining: 0,
            connect: Latency::default(),
            handshakes: Handshakes::default(),
            failure: None,
            misdirected: None,
            timeline: None,
            window_end: Nanos::MAX,
            demand: None,
            interval: Interval::new(0, true),
            next_boundary: Nanos::MAX,
            last_answer: None,
            events: 0,
            area: 0,
            counted_to: 0,
            text: Vec::new(),
            line: Vec::new(),
            wire: Vec::new(),
            plaintext: Vec::new(),
            finished,
            destinations: Destinations::new(&peer.addresses, &plan.socket.sources),
            draining: Draining::new(stop, plan.drain_ns),
            plan,
            messages,
            peer,
        }
    }

    /// Members who have joined, and were not lost since.
    fn joined_so_far(&self) -> u32 {
        let joined = |member: &&Member| matches!(member.state, State::In | State::Deaf);
        self.members.iter().filter(joined).count() as u32
    }

    fn dial<R: Reactor>(&mut self, reactor: &mut R, number: u32) {
        let member = &mut self.members[number as usize];
        let turn = number as usize + member.dials;
        member.dials += 1;
        let Route { target, source } = self.destinations.route(turn);
        member.target = target;
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
        match reactor.connect(&options) {
            Ok(key) => {
                member.dialled(key, reactor.now());
                self.places.insert(key, number);
                self.joining += 1;
            }
            Err(error) => {
                member.state = State::Gone;
                self.not_connected(reactor, number, kind_of_unmade(&error), error);
            }
        }
    }

    /// A member was not connected: it goes to another address, where that may help.
    fn not_connected<R: Reactor>(
        &mut self,
        reactor: &mut R,
        number: u32,
        kind: FailureKind,
        error: io::Error,
    ) {
        if self.destinations.failed(self.members[number as usize].target, &error) {
            return self.dial(reactor, number);
        }
        self.blame(number, kind, error.to_string());
        self.failure.get_or_insert(error);
    }

    fn give_up_joining<R: Reactor>(&mut self, reactor: &mut R) {
        self.joining = 0;
        for number in 0..self.members.len() as u32 {
            let member = &mut self.members[number as usize];
            let kind = match member.state {
                State::Dialling | State::Joining => FailureKind::ConnectTimeout,
                State::Handshaking => FailureKind::TlsHandshake,
                State::In | State::Deaf | State::Gone => continue,
            };
            let was = std::mem::replace(&mut member.state, State::Gone);
            if let Some(key) = member.key.take() {
                reactor.close(key);
                self.places.remove(key);
            }
            let reason = "did not get to join in time (is it a chat server? see --timeout)";
            let error = io::Error::new(io::ErrorKind::TimedOut, reason);
            if was == State::Dialling {
                self.not_connected(reactor, number, kind, error);
            } else {
                self.blame(number, kind, reason.into());
                self.failure.get_or_insert(error);
            }
        }
    }

    fn blame(&mut self, member: u32, kind: FailureKind, detail: String) {
        self.interval.errors.count(kind, || FirstOffender {
            connection: member,
            request: None,
            detail,
            difference: None,
        });
    }

    fn window(&self) -> std::ops::Range<Nanos> {
        let start = self.timeline.as_ref().map_or(Nanos::MAX, |timeline| timeline.window_start);
        start..self.window_end
    }

    fn tend(&mut self, now: Nanos) {
        if let Some(timeline) = &self.timeline {
            self.draining.look(now, timeline);
            self.window_end = timeline.window_end();
        }
        while now >= self.next_boundary && self.next_boundary < self.window_end {
            let next = Interval::new(self.interval.index + 1, true);
            (self.finished)(std::mem::replace(&mut self.interval, next));
            let end = |timeline: &Timeline| timeline.piece_end(self.interval.index);
            self.next_boundary = self.timeline.as_ref().map_or(Nanos::MAX, end);
        }
    }

    /// Adds up how long how many deliveries were outstanding, before their number changes.
    fn count_area(&mut self, now: Nanos) {
        let to = now.min(self.window_end);
        if to > self.counted_to {
            self.area +=
                u128::from(to - self.counted_to) * u128::from(self.books.outstanding());
            self.counted_to = to;
        }
    }

    /// Has every member whose turn it is say its message.
    fn speak_due<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        let horizon = now.min(self.window_end.saturating_sub(1));
        while let Some(turn) = self.demand.as_mut().and_then(|due| due.pop_due(horizon)) {
            let Some(demand) = &mut self.demand else { return };
            let intended = demand.peek(turn);
            demand.advance(turn);
            demand.put_back(turn);
            // The first members are the deaf ones, who have nothing to say.
            self.speak(reactor, self.deaf() + turn, intended);
        }
    }

    fn speak<R: Reactor>(&mut self, reactor: &mut R, speaker: u32, intended: Nanos) {
        let measured = self.window().contains(&intended);
        let member = &self.members[speaker as usize];
        let Some(key) = member.key.filter(|_| member.state == State::In) else {
            if measured {
                let unsent = self.books.audience(speaker);
                self.interval.tally.scheduled += unsent;
                self.interval.tally.unsent += unsent;
                self.interval.errors.count_many(FailureKind::Unsent, unsent, || {
                    FirstOffender {
                        connection: speaker,
                        request: None,
                        detail: "a message of a member who is gone".into(),
                        difference: None,
                    }
                });
            }
            return;
        };
        self.messages.write(speaker, self.books.next(speaker), &mut self.text);
        self.line.clear();
        self.line.extend_from_slice(&self.text);
        self.line.push(b'\n');
        let written = reactor.now();
        self.count_area(written);
        let tally = &mut self.interval.tally;
        self.books.said(speaker, intended, written, measured, tally);
        if measured && let Some(open) = &mut self.interval.latencies.open {
            open.lateness.record(written.saturating_sub(intended));
        }
        let sent = self.say(reactor, speaker, key);
        if measured {
            self.interval.tally.bytes_sent += sent as u64;
        }
    }

    /// Sends the line; how many bytes it took.
    fn say<R: Reactor>(&mut self, reactor: &mut R, speaker: u32, key: Key) -> usize {
        let sent = match &mut self.members[speaker as usize].tls {
            None => &self.line,
            Some(tls) => {
                self.wire.clear();
                tls.send(&self.line, &mut self.wire);
                &self.wire
            }
        };
        reactor.send(key, sent);
        sent.len()
    }

    fn is_done(&self, now: Nanos) -> bool {
        let Some(timeline) = &self.timeline else { return true };
        let waiting = || self.books.outstanding() > 0;
        now >= self.window_end && self.draining.is_over(now, timeline, waiting)
    }

    fn wait<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) -> io::Result<Nanos> {
        let due = self.demand.as_ref().and_then(Demand::next_due);
        let due = due.filter(|&due| due < self.window_end);
        let edges = [self.next_boundary, self.window_end];
        let waiting = Waiting::new(self.plan.idle, now, due, &edges, now + LONGEST_WAIT);
        let before = self.events;
        reactor.turn(Some(waiting.until), self)?;
        let idle = waiting.spins && self.events == before;
        Ok(if idle { reactor.now() - now } else { 0 })
    }

    fn conclude<R: Reactor>(&mut self, reactor: &mut R, busy: &BusyClock) -> Outcome {
        let now = reactor.now();
        self.count_area(now);
        let alive_at_end = self.joined_so_far();
        let mut kernel = KernelFacts::default();
        for number in 0..self.members.len() as u32 {
            let missing = self
                .books
                .deafen(number, now, &mut self.interval, |tally| &mut tally.in_flight);
            self.interval.errors.count_many(FailureKind::InFlight, missing, || FirstOffender {
                connection: number,
                request: None,
                detail: "not delivered when the drain ended".into(),
                difference: None,
            });
            let member = &self.members[number as usize];
            if let Some(key) = member.key.filter(|_| member.state == State::In) {
                kernel.add(reactor.tcp_info(key), reactor.buffer_sizes(key));
            }
        }
        self.end_streams(reactor);
        let last = Interval::new(self.interval.index + 1, true);
        (self.finished)(std::mem::replace(&mut self.interval, last));
        Outcome {
            alive_at_end,
            reconnects: 0,
            connect: Latency::default(),
            handshakes: Handshakes::default(),
            outstanding_area: self.area,
            last_answer: self.last_answer,
            busy: busy.share(),
            kernel,
            pool: None,
            destinations: std::mem::take(&mut self.destinations),
            misdirected: self.misdirected.take(),
        }
    }
}

impl Labour for ChatWorker {
    fn connect_all<R: Reactor>(&mut self, reactor: &mut R) -> io::Result<Setup> {
        let mut progress_at = reactor.now();
        let rate = DialRate::new(&self.plan, self.members.len(), progress_at);
        let mut joined = 0;
        loop {
            let allowed = rate.allowed(reactor.now()).min(self.members.len()) as u32;
            while self.joining < DIALLING && self.begun < allowed {
                self.dial(reactor, self.begun);
                self.begun += 1;
            }
            let all_begun = self.begun == self.plan.connections;
            if self.draining.stop().stage() > Stage::Running || (self.joining == 0 && all_begun)
            {
                break;
            }
            let now = reactor.now();
            let free = (self.begun as usize) < self.members.len() && self.joining < DIALLING;
            let next = rate.next(self.begun as usize).filter(|_| free).unwrap_or(Nanos::MAX);
            reactor.turn(Some(next.min(now + LONGEST_WAIT)), self)?;
            let count = self.joined_so_far();
            if count > joined {
                (joined, progress_at) = (count, now);
            } else if self.joining == 0 {
                // Nobody to be waited for: the next are begun later.
                progress_at = now;
            } else if now > progress_at + self.plan.timeout_ns {
                self.give_up_joining(reactor);
            }
        }
        let connect = std::mem::take(&mut self.connect);
        let handshakes = std::mem::take(&mut self.handshakes);
        let (failure, misdirected) = (self.failure.take(), self.misdirected.take());
        let established = self.joined_so_far();
        Ok(Setup { established, connect, handshakes, failure, misdirected })
    }

    fn run<R: Reactor>(&mut self, reactor: &mut R, timeline: Timeline) -> io::Result<Outcome> {
        let (plan, start) = (&self.plan, timeline.start);
        let speakers = plan.speakers();
        self.demand = Demand::new(&plan.load, plan.seed, 0..speakers, speakers, start);
        self.counted_to = timeline.window_start;
        self.next_boundary = timeline.piece_end(0);
        self.window_end = timeline.window_end();
        self.timeline = Some(timeline);
        let (mut spun, mut busy) = (0, BusyClock::default());
        loop {
            let now = reactor.now();
            self.tend(now);
            busy.observe(now, spun, &self.window());
            self.speak_due(reactor, now);
            if self.is_done(now) {
                break;
            }
            spun += self.wait(reactor, now)?;
        }
        Ok(self.conclude(reactor, &busy))
    }
}
