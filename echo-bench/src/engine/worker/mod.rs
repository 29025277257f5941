//! One generator thread: [`Worker`], a handler on a reactor. It owns its connections, its
//! part of the schedule and its recorder, and shares nothing while it runs but the
//! [`Timeline`] and the channel for finished intervals.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::destinations::Destinations;
use echo_net::reactor::{Key, Reactor};
use echo_net::stop::{Stage, Stop};
use slotmap::SecondaryMap;

mod concluding;
mod connecting;
mod receiving;
mod secured;
mod sending;

use super::Labour;
use super::Peer;
use super::busy_clock::BusyClock;
use super::connection::Connection;
use super::demand::Demand;
use super::dial_rate::DialRate;
use super::draining::Draining;
use super::handshakes::Handshakes;
use super::kernel_facts::KernelFacts;
use super::misdirected::Misdirected;
use super::occupancy::Occupancy;
use super::pool::PoolFacts;
use super::timeline::Timeline;
use super::waiting::Waiting;
use crate::messages::Messages;
use crate::plan::Plan;
use crate::record::{Interval, Latency};

/// Most connections of a worker that are being made at one time: fewer than the backlog of
/// even a modest server, whose overflow would show as a SYN that is sent again after 1 s.
pub(super) const DIALLING: usize = 64;

/// How long a worker may go without looking at the stop latch and the timeouts.
pub(super) const LONGEST_WAIT: Nanos = 50 * MILLISECOND;

/// What a worker found before the load began.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) established: u32,
    pub(super) connect: Latency,
    pub(super) handshakes: Handshakes,
    /// Why the first connection failed, if one did.
    pub(super) failure: Option<io::Error>,
    /// The server speaks something else.
    pub(super) misdirected: Option<Misdirected>,
}

/// What a worker has to say at the end, beside its intervals.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) alive_at_end: u32,
    pub(super) reconnects: u64,
    /// Of connections that were made in the load.
    pub(super) connect: Latency,
    /// Those of reconnects.
    pub(super) handshakes: Handshakes,
    /// Request-nanoseconds that requests were outstanding within the window.
    pub(super) outstanding_area: u128,
    /// When the last reply of the window came.
    pub(super) last_answer: Option<Nanos>,
    /// Share of the window in which the thread worked; spinning for want of events is no
    /// work.
    pub(super) busy: Option<f64>,
    pub(super) kernel: KernelFacts,
    pub(super) pool: Option<PoolFacts>,
    /// What came of connecting to the addresses of the server.
    pub(super) destinations: Destinations,
    /// The server speaks something else, and so the run was ended.
    pub(super) misdirected: Option<Misdirected>,
}

/// See the [module](self).
pub(super) struct Worker {
    plan: Arc<Plan>,
    messages: Arc<Messages>,
    peer: Peer,
    destinations: Destinations,
    draining: Draining,
    connections: Vec<Connection>,
    /// Finds the connection that an event is about.
    places: SecondaryMap<Key, u32>,
    /// How many connections have been begun at set-up.
    begun: usize,
    dialling: usize,
    /// Connections that were lost or not made, and wait to be tried again.
    down: usize,
    /// Connections that have had their requests and wait to be made again.
    worn_out: VecDeque<u32>,
    connect: Latency,
    handshakes: Handshakes,
    failure: Option<io::Error>,
    misdirected: Option<Misdirected>,
    timeline: Option<Timeline>,
    /// A copy of the timeline's, refreshed each turn.
    window_end: Nanos,
    demand: Option<Demand>,
    occupancy: Occupancy,
    interval: Interval,
    next_boundary: Nanos,
    next_scan: Nanos,
    /// No request can have waited for its whole timeout before.
    next_expiry: Nanos,
    reconnects: u64,
    /// Of connections that were closed to be made again.
    kernel: KernelFacts,
    last_answer: Option<Nanos>,
    /// Handler calls; a spin without any was idle.
    events: u64,
    /// Reused from batch to batch: the due requests, a message, its wire form.
    batch: Vec<sending::Due>,
    text: Vec<u8>,
    wire: Vec<u8>,
    /// Reused where TLS is spoken: what is sent, and what was received.
    sealed: Vec<u8>,
    plaintext: Vec<u8>,
    /// Takes finished intervals.
    finished: Box<dyn FnMut(Interval) + Send>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// The worker of the connections with these fleet-wide `numbers`.
    pub(super) fn new(
        plan: Arc<Plan>,
        messages: Arc<Messages>,
        peer: Peer,
        stop: Stop,
        numbers: impl Iterator<Item = u32>,
        finished: Box<dyn FnMut(Interval) + Send>,
    ) -> Self {
        let first = peer.addresses[0];
        let connections = numbers
            .map(|number| Connection::new(number, first, plan.requester(), plan.streams))
            .collect();
        Self {
            connections,
            places: SecondaryMap::new(),
            begun: 0,
            dialling: 0,
            down: 0,
            worn_out: VecDeque::new(),
            connect: Latency::default(),
            handshakes: Handshakes::default(),
            failure: None,
            misdirected: None,
            timeline: None,
            window_end: Nanos::MAX,
            demand: None,
            occupancy: Occupancy::default(),
            interval: Interval::new(0, plan.load.is_open()),
            next_boundary: Nanos::MAX,
            next_scan: 0,
            next_expiry: 0,
            reconnects: 0,
            kernel: KernelFacts::default(),
            last_answer: None,
            events: 0,
            batch: Vec::new(),
            text: Vec::new(),
            wire: Vec::new(),
            sealed: Vec::new(),
            plaintext: Vec::new(),
            finished,
            destinations: Destinations::new(&peer.addresses, &plan.socket.sources),
            draining: Draining::new(stop, plan.drain_ns),
            plan,
            messages,
            peer,
        }
    }

    fn window(&self) -> std::ops::Range<Nanos> {
        let start = self.timeline.as_ref().map_or(Nanos::MAX, |timeline| timeline.window_start);
        start..self.window_end
    }

    fn begin(&mut self, timeline: Timeline) {
        let numbers = self.connections.iter().map(|connection| connection.number);
        let (plan, start) = (&self.plan, timeline.start);
        self.demand = Demand::new(&plan.load, plan.seed, numbers, plan.connections, start);
        self.occupancy = Occupancy::new(timeline.window_start);
        self.next_boundary = timeline.piece_end(0);
        self.window_end = timeline.window_end();
        self.timeline = Some(timeline);
    }

    /// Waits for the start and fills the slots of a closed loop.
    fn occupy<R: Reactor>(&mut self, reactor: &mut R) {
        let start = self.timeline.as_ref().map_or(0, |timeline| timeline.start);
        while reactor.now() < start {
            if reactor.turn(Some(start), self).is_err() {
                return;
            }
        }
        let now = reactor.now();
        for index in 0..self.connections.len() as u32 {
            self.fill(reactor, index, now);
        }
    }

    /// What is to be done now and then: intervals, timeouts, lost connections.
    fn tend<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) {
        if let Some(timeline) = &self.timeline {
            self.draining.look(now, timeline);
            self.window_end = timeline.window_end();
        }
        while now >= self.next_boundary && self.next_boundary < self.window_end {
            self.hand_over_interval();
        }
        if now >= self.next_scan {
            self.next_scan = now + (self.plan.timeout_ns / 20).clamp(MILLISECOND, LONGEST_WAIT);
            self.expire_requests(reactor, now);
            self.expire_dials(reactor);
            self.redial(reactor, now);
        }
    }

    fn hand_over_interval(&mut self) {
        let next = Interval::new(self.interval.index + 1, self.plan.load.is_open());
        (self.finished)(std::mem::replace(&mut self.interval, next));
        let end = |timeline: &Timeline| timeline.piece_end(self.interval.index);
        self.next_boundary = self.timeline.as_ref().map_or(Nanos::MAX, end);
    }

    fn is_done(&self, now: Nanos) -> bool {
        let Some(timeline) = &self.timeline else { return true };
        let spent = timeline.is_spent();
        // A number of requests would never be reached against a server that is gone.
        let patience = self.plan.timeout_ns.saturating_add(self.plan.drain_ns);
        let last_sign = self.last_answer.unwrap_or(0).max(timeline.window_start);
        // Nothing due yet is no sign that anything is wrong.
        let expecting = || match &self.demand {
            None => true,
            Some(demand) => {
                demand.has_backlog(now)
                    || self.connections.iter().any(|c| !c.is_up() || c.in_flight.waiting() > 0)
            }
        };
        if self.window_end == Nanos::MAX
            && now > last_sign.saturating_add(patience)
            && expecting()
        {
            return true;
        }
        if now < self.window_end && !spent {
            return false;
        }
        self.draining.is_over(now, timeline, || {
            let backlog = |demand: &Demand| demand.has_backlog(self.window_end);
            self.connections.iter().any(|c| c.in_flight.measured() > 0)
                || !spent && self.demand.as_ref().is_some_and(backlog)
        })
    }

    /// Waits for events until something is due; how long it spun without any.
    fn wait<R: Reactor>(&mut self, reactor: &mut R, now: Nanos) -> io::Result<Nanos> {
        let due = self.demand.as_ref().and_then(Demand::next_due);
        let due = due.filter(|&due| due < self.window_end);
        let edges = [self.next_boundary, self.window_end];
        let latest = (now + LONGEST_WAIT).min(self.next_scan);
        let waiting = Waiting::new(self.plan.idle, now, due, &edges, latest);
        let before = self.events;
        reactor.turn(Some(waiting.until), self)?;
        let idle = waiting.spins && self.events == before;
        Ok(if idle { reactor.now() - now } else { 0 })
    }
}

impl Labour for Worker {
    fn connect_all<R: Reactor>(&mut self, reactor: &mut R) -> io::Result<Setup> {
        let rate = DialRate::new(&self.plan, self.connections.len(), reactor.now());
        loop {
            let allowed = rate.allowed(reactor.now()).min(self.connections.len());
            while self.dialling < DIALLING && self.begun < allowed {
                self.dial(reactor, self.begun as u32);
                self.begun += 1;
            }
            let given_up = self.draining.stop().stage() > Stage::Running;
            if given_up || (self.dialling == 0 && self.begun == self.connections.len()) {
                break;
            }
            let now = reactor.now();
            // The next one is begun when it may be, unless something else holds it up.
            let free = self.begun < self.connections.len() && self.dialling < DIALLING;
            let next = rate.next(self.begun).filter(|_| free).unwrap_or(Nanos::MAX);
            reactor.turn(Some(next.min(now + LONGEST_WAIT)), self)?;
            // Not every turn: it looks at all connections, and there may be very many.
            if now >= self.next_scan {
                self.next_scan = now + LONGEST_WAIT;
                self.expire_dials(reactor);
            }
        }
        let established = self.connections.iter().filter(|c| c.established).count() as u32;
        let connect = std::mem::take(&mut self.connect);
        let handshakes = std::mem::take(&mut self.handshakes);
        let (failure, misdirected) = (self.failure.take(), self.misdirected.take());
        Ok(Setup { established, connect, handshakes, failure, misdirected })
    }

    fn run<R: Reactor>(&mut self, reactor: &mut R, timeline: Timeline) -> io::Result<Outcome> {
        self.begin(timeline);
        self.occupy(reactor);
        let (mut spun, mut busy) = (0, BusyClock::default());
        loop {
            let now = reactor.now();
            self.tend(reactor, now);
            busy.observe(now, spun, &self.window());
            // Before asking whether all is done: what fell due while the thread slept past
            // the end of the window is late, and not to be left out.
            self.send_due(reactor, now);
            if self.is_done(now) {
                break;
            }
            spun += self.wait(reactor, now)?;
        }
        Ok(self.conclude(reactor, &busy))
    }
}
