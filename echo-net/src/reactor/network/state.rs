//! The network's own side of a simulation: [`State`], which moves segments between sockets and
//! disturbs them as the [`Conditions`] say.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd;

use super::conditions::{Conditions, Fault, Faults};
use super::socket::{Closing, Link, Output, Phase, Side, append, take};
use crate::Nanos;
use crate::reactor::Key;
use crate::reactor::random::Random;
use crate::send_queue::SendQueue;

/// What travels.
#[derive(Debug)]
enum Packet {
    /// A connection attempt.
    Attempt,
    Established,
    Data(Vec<u8>),
    End,
    Failure(io::ErrorKind),
    /// Nothing: somebody looks again at that time.
    Alarm,
}

/// The listener of a reactor.
#[derive(Debug, Default)]
pub(super) struct Listener {
    pub(super) open: bool,
    /// Established and not accepted.
    pub(super) backlog: VecDeque<usize>,
    /// Accepting failed; it is tried again then.
    pub(super) paused_until: Nanos,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Nanos,
    pub(super) random: Random,
    pub(super) conditions: Conditions,
    pub(super) faults: Faults,
    pub(super) links: Vec<Link>,
    /// One per reactor.
    pub(super) listeners: Vec<Listener>,
    /// The connections of accepted sockets that no reactor has yet.
    pub(super) accepted: HashMap<RawFd, usize>,
    /// By arrival, then in the order of sending.
    packets: BTreeMap<(Nanos, u64), (usize, Side, Packet)>,
    number: u64,
}

impl State {
    pub(super) fn new(start: Nanos, seed: u64, conditions: Conditions) -> Self {
        Self {
            now: start,
            random: Random::new(seed),
            conditions,
            faults: Faults::default(),
            links: Vec::new(),
            listeners: Vec::new(),
            accepted: HashMap::new(),
            packets: BTreeMap::new(),
            number: 0,
        }
    }

    fn post(&mut self, at: Nanos, link: usize, to: Side, packet: Packet) {
        self.packets.insert((at, self.number), (link, to, packet));
        self.number += 1;
    }

    /// Makes the clock stop at `at`.
    pub(super) fn alarm(&mut self, at: Nanos) {
        self.post(at, usize::MAX, Side::Client, Packet::Alarm);
    }

    fn delay(&mut self) -> Nanos {
        self.conditions.delay + self.random.within(0..=self.conditions.jitter)
    }

    fn has(&mut self, odds: u64, fault: Fault) -> bool {
        let occurs = self.random.one_in(odds);
        if occurs {
            self.faults.count(fault);
        }
        occurs
    }

    /// When the next packet arrives.
    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.packets.first_key_value().map(|((at, _), _)| *at)
    }

    /// Sets the clock to `at`, or to later, and delivers all that has arrived by then.
    pub(super) fn advance(&mut self, at: Nanos) {
        self.now = self.now.max(at);
        if self.has(self.conditions.jumps, Fault::Jump) {
            self.now += self.random.within(0..=self.conditions.jump);
        }
        // What this causes arrives later: another advance delivers it.
        let present = self.number;
        while let Some(entry) = self.packets.first_entry() {
            let (at, number) = *entry.key();
            if at > self.now || number >= present {
                break;
            }
            let (link, to, packet) = entry.remove();
            self.arrive(link, to, packet);
        }
    }

    fn arrive(&mut self, link: usize, to: Side, packet: Packet) {
        match packet {
            Packet::Alarm => {}
            Packet::Attempt => self.attempted(link),
            Packet::Established => {
                let socket = &mut self.links[link].sockets[Side::Client];
                if socket.phase == Phase::Pending {
                    (socket.phase, socket.connected) = (Phase::Up, true);
                    self.pump(link, Side::Client);
                }
            }
            Packet::Data(bytes) => {
                let Link { sockets, .. } = &mut self.links[link];
                sockets[to.other()].under_way -= bytes.len();
                let socket = &mut sockets[to];
                if socket.phase == Phase::Gone {
                    // A closed socket answers data with a reset.
                    return self.reset(link, to.other());
                }
                if socket.failure.is_some() {
                    return;
                }
                socket.unread += bytes.len();
                socket.arrived.push_back(bytes);
            }
            Packet::End => self.links[link].sockets[to].end_arrived = true,
            Packet::Failure(kind) => self.fail(link, to, kind),
        }
    }

    fn attempted(&mut self, link: usize) {
        let open: Vec<_> =
            (0..self.listeners.len()).filter(|&n| self.listeners[n].open).collect();
        if self.links[link].sockets[Side::Client].phase == Phase::Gone {
            return;
        }
        let delay = self.delay();
        if open.is_empty() {
            let refused = Packet::Failure(io::ErrorKind::ConnectionRefused);
            return self.post(self.now + delay, link, Side::Client, refused);
        }
        let listener = self.random.pick(&open);
        self.listeners[listener].backlog.push_back(link);
        let at = self.now + delay;
        self.links[link].sockets[Side::Server].last_arrival = at;
        self.post(at, link, Side::Client, Packet::Established);
    }

    fn fail(&mut self, link: usize, side: Side, kind: io::ErrorKind) {
        let socket = &mut self.links[link].sockets[side];
        if socket.phase == Phase::Gone {
            return;
        }
        socket.drop_output();
        socket.failure = Some(kind);
        // The kernel keeps what had arrived, but an error may be reported first.
        if self.random.one_in(2) {
            let socket = &mut self.links[link].sockets[side];
            socket.arrived.clear();
            socket.unread = 0;
        }
    }

    /// Sends a reset to `side`.
    pub(super) fn reset(&mut self, link: usize, side: Side) {
        let at = self.now + self.delay();
        self.post(at, link, side, Packet::Failure(io::ErrorKind::ConnectionReset));
    }

    /// Starts a connection attempt.
    pub(super) fn connect(&mut self) -> io::Result<usize> {
        let link = self.links.len();
        self.links.push(Link::default());
        if self.has(self.conditions.no_sockets, Fault::NoSocket) {
            self.links[link].sockets[Side::Client].phase = Phase::Gone;
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if self.has(self.conditions.unanswered, Fault::Unanswered) {
            return Ok(link);
        }
        let at = self.now + self.delay();
        if self.has(self.conditions.refusals, Fault::Refusal) {
            let refused = Packet::Failure(io::ErrorKind::ConnectionRefused);
            self.post(at, link, Side::Client, refused);
        } else {
            self.links[link].sockets[Side::Client].last_arrival = at;
            self.post(at, link, Side::Server, Packet::Attempt);
        }
        Ok(link)
    }

    /// Moves what may be moved from a socket towards the other side.
    pub(super) fn pump(&mut self, link: usize, side: Side) {
        if self.links[link].sockets[side].phase == Phase::Pending {
            return;
        }
        loop {
            self.fill_buffer(link, side);
            if !self.send_segment(link, side) {
                break;
            }
        }
        let socket = &mut self.links[link].sockets[side];
        if socket.output == Output::Finishing
            && socket.queue.is_empty()
            && socket.buffer.is_empty()
        {
            socket.output = Output::Finished;
            self.send_end(link, side);
        }
    }

    fn send_end(&mut self, link: usize, side: Side) {
        let delay = self.delay();
        let socket = &mut self.links[link].sockets[side];
        if !std::mem::replace(&mut socket.swallowed, true) {
            let at = socket.last_arrival.max(self.now + delay);
            socket.last_arrival = at;
            self.post(at, link, side.other(), Packet::End);
        }
    }

    /// From the queue to the send buffer.
    fn fill_buffer(&mut self, link: usize, side: Side) {
        let capacity = self.conditions.send_buffer;
        let socket = &mut self.links[link].sockets[side];
        if socket.queue.is_empty() {
            return;
        }
        let room = capacity.saturating_sub(socket.buffer.len()).min(socket.queue.len());
        let moved = take(&mut socket.queue, room);
        append(&mut socket.buffer, &moved);
        if socket.queue.is_empty() {
            // A closed one has nobody to tell.
            socket.drained = socket.owner.is_some();
        } else {
            self.faults.count(Fault::FullSendBuffer);
        }
    }

    /// From the send buffer to the wire; whether anything was moved.
    fn send_segment(&mut self, link: usize, side: Side) -> bool {
        let Link { sockets, .. } = &self.links[link];
        let (from, to) = (&sockets[side], &sockets[side.other()]);
        if from.buffer.is_empty() {
            return false;
        }
        if from.swallowed {
            self.links[link].sockets[side].buffer = SendQueue::default();
            return true;
        }
        let waiting = from.buffer.len();
        let window = self.conditions.receive_buffer.saturating_sub(from.under_way + to.unread);
        if window == 0 {
            self.faults.count(Fault::FullReceiveBuffer);
            return false;
        }
        let longest = self.conditions.segment.min(window).min(waiting);
        let length = self.random.within(1..=longest as u64).max(longest as u64 / 2) as usize;
        if length < waiting {
            self.faults.count(Fault::Split);
        }
        if self.has(self.conditions.resets, Fault::Reset) {
            self.links[link].disturbed = true;
            self.reset(link, Side::Client);
            self.reset(link, Side::Server);
            return false;
        }
        let mut at = self.now + self.delay();
        if self.has(self.conditions.stalls, Fault::Stall) {
            at += self.conditions.stall;
        }
        let socket = &mut self.links[link].sockets[side];
        let segment = take(&mut socket.buffer, length);
        socket.under_way += length;
        at = at.max(socket.last_arrival);
        socket.last_arrival = at;
        self.post(at, link, side.other(), Packet::Data(segment));
        if self.has(self.conditions.half_closes, Fault::HalfClose) {
            self.links[link].disturbed = true;
            self.send_end(link, side);
        }
        true
    }

    /// Takes bytes of a socket's receive buffer, which opens the window.
    pub(super) fn read(&mut self, link: usize, side: Side) -> Option<Vec<u8>> {
        let socket = &mut self.links[link].sockets[side];
        let bytes = socket.arrived.pop_front()?;
        socket.unread -= bytes.len();
        self.links[link].received[side].extend_from_slice(&bytes);
        self.pump(link, side.other());
        Some(bytes)
    }

    /// Closes a socket as close(2) does: what the kernel has is still sent, unless there is
    /// unread input, or the close is an `abort`.
    pub(super) fn close(&mut self, link: usize, side: Side, abort: bool) {
        let now = self.now;
        let Link { sockets, closed, .. } = &mut self.links[link];
        let socket = &mut sockets[side];
        if socket.phase == Phase::Gone || closed[side].is_some() {
            return;
        }
        let was_up = socket.phase == Phase::Up || side == Side::Server;
        let finished = socket.output != Output::Open;
        let unread = socket.unread;
        let unsent = socket.queue.len();
        socket.queue = SendQueue::default();
        let reset = abort || socket.resets;
        closed[side] = Some(Closing { at: now, unsent, unread, finished, reset });
        (socket.owner, socket.phase) = (None, Phase::Gone);
        socket.arrived.clear();
        socket.unread = 0;
        if unread > 0 || reset {
            socket.drop_output();
            if was_up {
                self.reset(link, side.other());
            }
        } else {
            if socket.output == Output::Open {
                socket.output = Output::Finishing;
            }
            self.pump(link, side);
        }
    }

    /// Gives a socket to a reactor.
    pub(super) fn own(&mut self, link: usize, side: Side, owner: (usize, Key)) {
        self.links[link].sockets[side].owner = Some(owner);
    }
}
