//! A thread's connections: [`Wire`] dials them, agrees on TLS, sends, and notices their end.
//! What their bytes mean is the workload's business, which knows them by their place.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::destinations::{Destinations, Route};
use echo_net::reactor::{Key, Reactor};
use echo_net::socket::{ConnectOptions, SocketOptions};
use echo_net::tls::{Fault, is_alert};
use slotmap::SecondaryMap;

use super::ledger::Ledger;
use super::link::{Link, State};
use super::loss::{Loss, kind_of_unmade};
use super::misdirected::Misdirected;
use super::sealed::{self, Buffers};
use crate::handshakes::Handshakes;
use crate::kernel_facts::KernelFacts;
use crate::plan::Plan;
use crate::record::{FailureKind, Latency};
use crate::{Peer, PeerTls};

/// Most connections of a thread that are being made at one time: fewer than the backlog of
/// even a modest server, whose overflow would show as a SYN that is sent again after 1 s.
const DIALLING: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Wire {
    plan: Arc<Plan>,
    peer: Peer,
    destinations: Destinations,
    /// Whether links that are lost, or not made, are dialled again.
    redials: bool,
    links: Vec<Link>,
    /// Finds the link that an event is about.
    places: SecondaryMap<Key, u32>,
    /// Links that are being made.
    dialling: usize,
    /// Links that wait to be dialled again after a pause.
    down: usize,
    /// Links to be dialled as soon as few enough are being made.
    queue: VecDeque<u32>,
    /// When a link was last up: what takes longer while others come up is not stuck.
    last_up: Nanos,
    /// Whether a right reply ever came, so that the server speaks what is expected.
    is_proven: bool,
    /// Why the first link failed.
    failure: Option<io::Error>,
    facts: WireFacts,
    buffers: Buffers,
}

/// What there is to say of the connections at the end of a phase.
#[derive(Debug, Default)]
pub(crate) struct WireFacts {
    /// How long each connection took to make.
    pub(crate) connect: Latency,
    pub(crate) handshakes: Handshakes,
    /// Connections made during the load.
    pub(crate) reconnects: u64,
    /// Of connections that we closed.
    pub(crate) kernel: KernelFacts,
}

/// What became of a link that is no more.
#[derive(Debug)]
pub(super) enum Gone {
    /// It was up.
    Up,
    /// It was not yet made, and counted as such.
    Unmade,
    /// It was not made, and is dialled at another address.
    Redialled,
}

impl Wire {
    /// Links with these fleet-wide numbers, none of them dialled.
    pub(super) fn new(
        plan: Arc<Plan>,
        peer: Peer,
        redials: bool,
        numbers: impl Iterator<Item = u32>,
    ) -> Self {
        let first = peer.addresses[0];
        Self {
            destinations: Destinations::new(&peer.addresses, &plan.socket.sources),
            plan,
            peer,
            redials,
            links: numbers.map(|number| Link::new(number, first)).collect(),
            places: SecondaryMap::new(),
            dialling: 0,
            down: 0,
            queue: VecDeque::new(),
            last_up: 0,
            is_proven: false,
            failure: None,
            facts: WireFacts::default(),
            buffers: Buffers::default(),
        }
    }

    /// How many links there are.
    pub(crate) fn len(&self) -> u32 {
        self.links.len() as u32
    }

    /// The fleet-wide number of a link.
    pub(crate) fn number(&self, link: u32) -> u32 {
        self.links[link as usize].number
    }

    /// Whether a link is ready for requests.
    #[inline]
    pub(crate) fn is_up(&self, link: u32) -> bool {
        self.links[link as usize].state == State::Up
    }

    /// Links that are up.
    pub(crate) fn up(&self) -> u32 {
        self.links.iter().filter(|link| link.state == State::Up).count() as u32
    }

    /// Whether a link has ever been up.
    pub(crate) fn was_up(&self, link: u32) -> bool {
        self.links[link as usize].established
    }

    /// Whether a link was not made the last time for want of a socket on this side.
    pub(crate) fn lacks_socket(&self, link: u32) -> bool {
        self.links[link as usize].lacks_socket
    }

    /// Links that have ever been up.
    pub(super) fn established(&self) -> u32 {
        self.links.iter().filter(|link| link.established).count() as u32
    }

    /// Links that are being made.
    pub(super) fn dialling(&self) -> usize {
        self.dialling
    }

    /// Whether one more link may be begun now.
    pub(super) fn has_room(&self) -> bool {
        self.dialling < DIALLING
    }

    /// Whether the links speak TLS.
    pub(super) fn is_secured(&self) -> bool {
        self.peer.tls.is_some()
    }

    /// The link that an event is about.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// What came of connecting to the addresses of the server.
    pub(super) fn take_destinations(&mut self) -> Destinations {
        std::mem::take(&mut self.destinations)
    }

    /// What was found so far, and why the first link failed.
    pub(super) fn take_facts(&mut self) -> (WireFacts, Option<io::Error>) {
        (std::mem::take(&mut self.facts), self.failure.take())
    }

    /// Right replies came on a link.
    pub(crate) fn prove(&mut self, link: u32) {
        self.is_proven = true;
        self.links[link as usize].prove();
    }

    /// Notes what a server says first on a link.
    #[inline]
    pub(super) fn hear(&mut self, link: u32, bytes: &[u8]) {
        self.links[link as usize].opening.hear(bytes);
    }

    /// What the beginning of a link tells of a server that never gave a right reply, if it is
    /// not what is expected.
    #[inline]
    pub(super) fn judge(&self, link: u32) -> Option<Misdirected> {
        if self.is_proven {
            return None;
        }
        let Link { target, opening, .. } = self.links[link as usize];
        Misdirected::other(target, &self.plan, opening)
    }

    /// Why a link is lost, in the light of what its server said first.
    pub(super) fn diagnosed(&self, link: u32, loss: Loss) -> Loss {
        let place = &self.links[link as usize];
        let alerted = place.tls.is_none() && is_alert(place.opening.bytes());
        if alerted { Loss::SpeaksTls } else { loss }
    }

    /// What it tells of a server that a link is lost so, if the server is not what is expected.
    pub(super) fn judge_loss(&self, link: u32, loss: &Loss) -> Option<Misdirected> {
        let alerted = matches!(loss, Loss::SpeaksTls) && !self.is_proven;
        alerted.then(|| Misdirected::tls(self.links[link as usize].target))
    }

    /// Bytes for a link that the kernel has not taken yet.
    pub(crate) fn unsent<R: Reactor>(&self, reactor: &R, link: u32) -> usize {
        self.links[link as usize].key.map_or(0, |key| reactor.unsent(key))
    }

    /// Reads nothing more of a link.
    pub(crate) fn pause<R: Reactor>(&self, reactor: &mut R, link: u32) {
        if let Some(key) = self.links[link as usize].key {
            reactor.pause(key);
        }
    }

    /// Begins to make a link; false if there is no socket for it, which is counted.
    pub(crate) fn dial<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
    ) -> bool {
        let place = &mut self.links[link as usize];
        let turn = (place.number as usize).wrapping_add(place.dials);
        place.dials = place.dials.wrapping_add(1);
        let Route { target, source } = self.destinations.route(turn);
        place.target = target;
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
                (place.key, place.state) = (Some(key), State::Dialling(now));
                self.places.insert(key, link);
                self.dialling += 1;
                true
            }
            Err(error) => {
                self.not_connected(reactor, ledger, link, kind_of_unmade(&error), error)
            }
        }
    }

    /// A link was not connected: it goes to another address where that may help. Whether it
    /// does.
    fn not_connected<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        kind: FailureKind,
        error: io::Error,
    ) -> bool {
        if self.destinations.failed(self.links[link as usize].target, &error) {
            return self.dial(reactor, ledger, link);
        }
        self.failed(ledger, link, kind, error, reactor.now());
        false
    }

    /// A link was not made.
    fn failed(
        &mut self,
        ledger: &mut Ledger,
        link: u32,
        kind: FailureKind,
        error: io::Error,
        now: Nanos,
    ) {
        ledger.blame(self.number(link), kind, 1, || error.to_string());
        self.failure.get_or_insert(error);
        self.links[link as usize].lacks_socket = kind == FailureKind::NoSocket;
        self.back_off(link, now);
    }

    fn back_off(&mut self, link: u32, now: Nanos) {
        if self.redials {
            self.links[link as usize].back_off(now);
            self.down += 1;
        }
    }

    /// Forgets a link's socket.
    fn forget(&mut self, link: u32) -> Option<Key> {
        let key = self.links[link as usize].clear()?;
        self.places.remove(key);
        Some(key)
    }

    /// Gives up links that are not made in time; which.
    pub(super) fn expire<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
    ) -> Vec<u32> {
        let mut expired = Vec::new();
        if self.dialling == 0 {
            return expired;
        }
        let now = reactor.now();
        for link in 0..self.len() {
            let (since, kind) = match self.links[link as usize].state {
                State::Dialling(since) | State::Introducing(since) => {
                    (since, FailureKind::ConnectTimeout)
                }
                State::Handshaking { dialled, .. } => (dialled, FailureKind::TlsHandshake),
                _ => continue,
            };
            let introducing = matches!(self.links[link as usize].state, State::Introducing(_));
            // Who is let in one by one waits for those before it.
            let since = if introducing { since.max(self.last_up) } else { since };
            if now < since.saturating_add(self.plan.timeout_ns) {
                continue;
            }
            if let Some(key) = self.forget(link) {
                reactor.close(key);
            }
            self.dialling -= 1;
            let seconds = (now - since) as f64 / SECOND as f64;
            let reason = match kind {
                FailureKind::TlsHandshake => format!(
                    "no TLS handshake within {seconds:.1} s (does the server speak TLS? see \
                     --timeout)"
                ),
                _ if introducing => {
                    "did not get to join in time (is it a chat server? see --timeout)".into()
                }
                _ => format!("no answer within {seconds:.1} s (see --timeout)"),
            };
            let error = io::Error::new(io::ErrorKind::TimedOut, reason);
            if kind == FailureKind::TlsHandshake || introducing {
                self.failed(ledger, link, kind, error, now);
                expired.push(link);
            } else if !self.not_connected(reactor, ledger, link, kind, error) {
                expired.push(link);
            }
        }
        expired
    }

    /// Dials links that were lost and have paused.
    pub(super) fn redial<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        now: Nanos,
    ) {
        if self.down == 0 {
            return;
        }
        for link in 0..self.len() {
            let due = matches!(self.links[link as usize].state, State::Down(at) if at <= now);
            if due && self.has_room() {
                self.down -= 1;
                self.dial(reactor, ledger, link);
            }
        }
    }

    /// Has a link dialled as soon as few enough are being made.
    pub(crate) fn enqueue(&mut self, link: u32) {
        self.queue.push_back(link);
    }

    /// The next link to be dialled, if one may be.
    pub(super) fn next_queued(&mut self) -> Option<u32> {
        if self.has_room() { self.queue.pop_front() } else { None }
    }

    /// TCP is connected. Whether the link can be used as it is; else it says its TLS hello.
    pub(super) fn connected<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        now: Nanos,
    ) -> Result<bool, Loss> {
        let place = &mut self.links[link as usize];
        let State::Dialling(dialled) = place.state else { return Ok(false) };
        self.facts.connect.record(now - dialled);
        self.destinations.made(place.target);
        place.state = State::Handshaking { dialled, since: now };
        let Some(begun) = self.peer.tls.as_ref().map(PeerTls::begin) else { return Ok(true) };
        let mut tls = Box::new(begun.map_err(|fault| Loss::Broken(io::Error::other(fault)))?);
        let Self { buffers: Buffers { wire, .. }, .. } = self;
        wire.clear();
        tls.take_output(wire);
        place.tls = Some(tls);
        self.post(reactor, ledger, link, now);
        Ok(false)
    }

    /// A link has something to say before it is up.
    pub(super) fn introduces(&mut self, link: u32, now: Nanos) {
        self.links[link as usize].state = State::Introducing(now);
    }

    /// A link is ready for requests.
    pub(super) fn comes_up(&mut self, link: u32, now: Nanos, in_load: bool) {
        let place = &mut self.links[link as usize];
        (place.state, place.established) = (State::Up, true);
        self.dialling -= 1;
        self.last_up = now;
        self.facts.reconnects += u64::from(in_load && self.redials);
    }

    /// Whether a link is connected, but not ready for requests.
    pub(super) fn is_introducing(&self, link: u32) -> bool {
        matches!(self.links[link as usize].state, State::Introducing(_))
    }

    /// Sends `bytes` in writes that end at `cuts` and at their end. Both are used up.
    pub(crate) fn send<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        bytes: &mut Vec<u8>,
        cuts: &mut Vec<usize>,
        now: Nanos,
    ) {
        let place = &mut self.links[link as usize];
        let Some(key) = place.key else { return };
        if let Some(tls) = &mut place.tls {
            sealed::seal(tls, bytes, cuts, &mut self.buffers.sealed);
        }
        ledger.sent(bytes.len(), now);
        let mut start = 0;
        for end in cuts.drain(..).chain([bytes.len()]) {
            if end > start {
                reactor.send(key, &bytes[start..end]);
            }
            start = end;
        }
        bytes.clear();
    }

    /// Sends what TLS has to say for itself, which is on the wire like all else.
    fn post<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        now: Nanos,
    ) {
        let wire = &self.buffers.wire;
        if let Some(key) = self.links[link as usize].key.filter(|_| !wire.is_empty()) {
            ledger.sent(wire.len(), now);
            reactor.send(key, wire);
        }
    }

    /// Takes some of the ciphertext that arrived on a link; `None` if the link is gone.
    pub(super) fn unseal<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        (key, link): (Key, u32),
        ciphertext: &mut &[u8],
        plaintext: &mut Vec<u8>,
    ) -> Option<sealed::Unsealed> {
        let place = &mut self.links[link as usize];
        let tls = place.tls.as_mut().filter(|_| place.key == Some(key))?;
        let mut unsealed = sealed::unseal(tls, ciphertext, plaintext, &mut self.buffers.wire);
        unsealed.at = reactor.now();
        // Counted once: only while the handshake goes on.
        if let State::Handshaking { since, .. } = place.state {
            if unsealed.agreed {
                self.facts.handshakes.record(tls, unsealed.at - since);
            }
        } else {
            unsealed.agreed = false;
        }
        self.post(reactor, ledger, link, unsealed.at);
        Some(unsealed)
    }

    /// Room for plaintext, lent while ciphertext is taken.
    pub(super) fn plaintext(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.plaintext
    }

    /// Why a link was lost whose input has ended.
    pub(super) fn end_of_input(&mut self, link: u32) -> Loss {
        let tls = self.links[link as usize].tls.as_mut();
        let cut_off = tls.and_then(|tls| tls.end_of_input().err()).map(io::Error::other);
        Loss::ended(cut_off)
    }

    /// A link is of no more use: closes it. One that was not made is counted.
    pub(super) fn lose<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        loss: &mut Loss,
    ) -> Gone {
        let now = reactor.now();
        let place = &self.links[link as usize];
        let before = place.state;
        if let Some(key) = self.forget(link) {
            reactor.close(key);
        }
        if before == State::Up {
            self.back_off(link, now);
            return Gone::Up;
        }
        self.dialling -= 1;
        let closed = match before {
            State::Handshaking { .. } => io::Error::other(Fault::Unfinished),
            _ => io::ErrorKind::UnexpectedEof.into(),
        };
        let error = std::mem::replace(loss, Loss::Closed).into_error(closed);
        let kind = match before {
            State::Handshaking { .. } => kind_of_handshake(&error),
            _ => kind_of_unmade(&error),
        };
        if !matches!(before, State::Dialling(_)) {
            self.failed(ledger, link, kind, error, now);
        } else if self.not_connected(reactor, ledger, link, kind, error) {
            return Gone::Redialled;
        }
        Gone::Unmade
    }

    /// Closes a link that is up gracefully, keeping what the kernel knows of it.
    pub(crate) fn close<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
    ) {
        self.say_goodbye(reactor, ledger, link);
        if let Some(key) = self.forget(link) {
            self.facts.kernel.add(reactor.tcp_info(key), reactor.buffer_sizes(key));
            reactor.close(key);
        }
    }

    /// Inside TLS, tells the server that nothing follows: else it looks like a stream that was
    /// cut off.
    fn say_goodbye<R: Reactor>(&mut self, reactor: &mut R, ledger: &mut Ledger, link: u32) {
        let Some(tls) = &mut self.links[link as usize].tls else { return };
        self.buffers.wire.clear();
        tls.close(&mut self.buffers.wire);
        let now = reactor.now();
        self.post(reactor, ledger, link, now);
    }

    /// The run is over: asks the kernel about the links that are up, and says goodbye.
    pub(super) fn conclude<R: Reactor>(&mut self, reactor: &mut R, ledger: &mut Ledger) {
        for link in 0..self.len() {
            if let Some(key) = self.links[link as usize].key.filter(|_| self.is_up(link)) {
                self.facts.kernel.add(reactor.tcp_info(key), reactor.buffer_sizes(key));
            }
            self.say_goodbye(reactor, ledger, link);
        }
    }
}

/// How a TLS handshake that failed is counted.
fn kind_of_handshake(error: &io::Error) -> FailureKind {
    let fault = error.get_ref().and_then(|error| error.downcast_ref::<Fault>());
    if fault.is_some_and(Fault::is_about_certificate) {
        FailureKind::TlsCertificate
    } else {
        FailureKind::TlsHandshake
    }
}
