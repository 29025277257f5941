//! A thread's connections: [`Wire`] dials them, agrees on TLS, sends, and notices their end.
//! What their bytes mean is the workload's business, which knows them by their place.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use echo_net::Nanos;
use echo_net::destinations::Destinations;
use echo_net::reactor::{Key, Reactor};
use slotmap::SecondaryMap;

use super::ledger::Ledger;
use super::link::{Link, State};
use super::loss::Loss;
use super::sealed::{self, Buffers};
use crate::Peer;
use crate::handshakes::Handshakes;
use crate::kernel_facts::KernelFacts;
use crate::plan::Plan;
use crate::record::{FailureKind, Latency};

mod full_backlog;
mod judging;
mod making;

use full_backlog::FullBacklog;
use making::DIALLING;
pub(super) use making::Gone;

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
    /// Links that wait for room in the server's backlog.
    full: FullBacklog,
    /// When a link was last up: what takes longer while others come up is not stuck.
    last_up: Nanos,
    /// Links that were not made in time since then.
    timed_out: u32,
    /// Shared by the threads: whether the server was seen to speak what is expected.
    proven: Arc<AtomicBool>,
    /// Sends that were begun.
    sends: u64,
    /// Why the first link failed.
    failure: Option<io::Error>,
    facts: WireFacts,
    buffers: Buffers,
}

/// What there is to say of the connections at the end of a phase.
#[derive(Debug, Default)]
pub(crate) struct WireFacts {
    /// How long each connection of set-up, or of the window, took to make.
    pub(crate) connect: Latency,
    pub(crate) handshakes: Handshakes,
    /// Reconnects within the window.
    pub(crate) reconnects: u64,
    /// Of connections that we closed.
    pub(crate) kernel: KernelFacts,
}

impl Wire {
    /// Links with these fleet-wide numbers, none of them dialled.
    pub(super) fn new(
        plan: Arc<Plan>,
        peer: Peer,
        proven: Arc<AtomicBool>,
        redials: bool,
        numbers: impl Iterator<Item = u32>,
    ) -> Self {
        let first = peer.addresses[0];
        Self {
            destinations: Destinations::new(&peer.addresses, &plan.socket.sources),
            plan,
            peer,
            proven,
            redials,
            links: numbers.map(|number| Link::new(number, first)).collect(),
            places: SecondaryMap::new(),
            dialling: 0,
            down: 0,
            queue: VecDeque::new(),
            full: FullBacklog::default(),
            last_up: 0,
            timed_out: 0,
            sends: 0,
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

    /// Whether a link has receive stamps, where the kernel gives them.
    pub(super) fn is_stamped(&self, link: u32) -> bool {
        self.plan.stamps.covers(link, self.len())
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
        self.unmade(link) == Some(FailureKind::NoSocket)
    }

    /// How a link failed when it was not made the last time.
    pub(crate) fn unmade(&self, link: u32) -> Option<FailureKind> {
        self.links[link as usize].unmade
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

    /// How many sends were begun so far.
    pub(super) fn sends(&self) -> u64 {
        self.sends
    }

    /// Whether the links speak TLS.
    pub(crate) fn is_secured(&self) -> bool {
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

    /// Has a link dialled again after a pause, where that is done at all.
    pub(super) fn back_off(&mut self, link: u32, now: Nanos) {
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
        self.sends += 1;
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
            self.sends += 1;
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
            if unsealed.agreed && ledger.times_connections(unsealed.at) {
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

    /// Closes a link that is up gracefully, keeping what the kernel knows of it.
    pub(crate) fn close<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
    ) {
        self.send_close_notify(reactor, ledger, link);
        if let Some(key) = self.forget(link) {
            self.facts.kernel.add(reactor.tcp_info(key), || reactor.socket_options(key));
            reactor.close(key);
        }
    }

    /// Closes a link that is up gracefully, and dials it again after a pause.
    pub(crate) fn close_and_back_off<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
    ) {
        self.close(reactor, ledger, link);
        self.back_off(link, reactor.now());
    }

    /// Inside TLS, tells the server that nothing follows: else it looks like a stream that was
    /// cut off. Within a handshake it would look like a refusal of the server.
    fn send_close_notify<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
    ) {
        let tls = self.links[link as usize].tls.as_mut();
        let Some(tls) = tls.filter(|tls| !tls.is_handshaking()) else { return };
        self.buffers.wire.clear();
        tls.close(&mut self.buffers.wire);
        let now = reactor.now();
        self.post(reactor, ledger, link, now);
    }

    /// The run is over: asks the kernel about the links that are up, and closes TLS.
    pub(super) fn conclude<R: Reactor>(&mut self, reactor: &mut R, ledger: &mut Ledger) {
        for link in 0..self.len() {
            if let Some(key) = self.links[link as usize].key.filter(|_| self.is_up(link)) {
                self.facts.kernel.add(reactor.tcp_info(key), || reactor.socket_options(key));
            }
            self.send_close_notify(reactor, ledger, link);
        }
    }
}
