//! How the links of a [`Wire`] are made, or are not: dialled, inside TLS, introduced; given up,
//! and dialled again.

use std::io;

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::destinations::Route;
use echo_net::reactor::{Key, Reactor};
use echo_net::socket::ConnectOptions;
use echo_net::tls::Fault;

use super::{Buffers, Ledger, Loss, State, Wire};
use crate::PeerTls;
use crate::record::FailureKind;
use crate::rig::loss::{kind_of_unmade, refused_certificate};

/// Most connections of a thread that are being made at one time: fewer than the backlog of
/// even a modest server, whose overflow would show as a SYN that is sent again after 1 s.
pub(super) const DIALLING: usize = 64;

/// Links in a row that time out before the server is taken for silent: one or two may be lost
/// SYNs.
const SILENT: u32 = 3;

/// What became of a link that is no more.
#[derive(Debug)]
pub(in crate::rig) enum Gone {
    /// It was up.
    Up,
    /// It was not yet made, and counted as such.
    Unmade,
    /// It was not made, and is dialled at another address.
    Redialled,
}

impl Wire {
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
        (place.target, place.source) = (target, source);
        let now = reactor.now();
        match reactor.connect(&self.connect_options(link)) {
            Ok(key) => {
                self.links[link as usize].state = State::Dialling(now);
                self.has_socket(link, key);
                self.dialling += 1;
                true
            }
            Err(error) if self.is_backlog_full(link, &error) => {
                self.links[link as usize].state = State::Dialling(now);
                self.wait_for_room(link, now);
                self.dialling += 1;
                true
            }
            Err(error) => {
                self.not_connected(reactor, ledger, link, kind_of_unmade(&error), error)
            }
        }
    }

    /// Where a link leads to, and with what options.
    pub(super) fn connect_options(&self, link: u32) -> ConnectOptions {
        let (place, socket) = (&self.links[link as usize], self.plan.socket.options());
        let stamps = self.is_stamped(link);
        ConnectOptions { stamps, target: place.target, source: place.source, socket }
    }

    /// A link that is being dialled has a socket.
    pub(super) fn has_socket(&mut self, link: u32, key: Key) {
        self.links[link as usize].key = Some(key);
        self.places.insert(key, link);
    }

    /// A link was not connected: it goes to another address where that may help. Whether it
    /// does.
    pub(super) fn not_connected<R: Reactor>(
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
        ledger.list_unmade(self.number(link), kind, now, || error.to_string());
        self.failure.get_or_insert(error);
        self.links[link as usize].unmade = Some(kind);
        self.back_off(link, now);
    }

    /// Gives up links that are not made in time; which.
    pub(in crate::rig) fn expire<R: Reactor>(
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
            // Who joins a chat is let in one by one, and waits for those before it.
            let is_in_turn = introducing && self.plan.service().is_chat();
            let since = if is_in_turn { since.max(self.last_up) } else { since };
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
                _ if is_in_turn => {
                    "did not get to join in time (is it a chat server? see --timeout)".into()
                }
                _ if introducing => format!(
                    "login not complete within {seconds:.1} s (does the server speak {}? see \
                     --timeout)",
                    self.plan.protocol()
                ),
                _ => format!("no answer within {seconds:.1} s (see --timeout)"),
            };
            let error = io::Error::new(io::ErrorKind::TimedOut, reason);
            if kind == FailureKind::TlsHandshake || introducing {
                self.failed(ledger, link, kind, error, now);
            } else if self.not_connected(reactor, ledger, link, kind, error) {
                continue;
            }
            self.timed_out += 1;
            expired.push(link);
        }
        expired
    }

    /// Whether links that time out are a sign that no other would be made either: several have,
    /// and none ever was made, or none since well before those that time out now were begun.
    /// Set-up would last as long as all of them one after the other.
    pub(in crate::rig) fn is_stuck(&self, now: Nanos) -> bool {
        let quiet = self.plan.timeout_ns.saturating_add(self.plan.timeout_ns / 2);
        let is_quiet = self.last_up == 0 || now > self.last_up.saturating_add(quiet);
        is_quiet && self.timed_out >= SILENT
    }

    /// Dials links that were lost and have paused.
    pub(in crate::rig) fn redial<R: Reactor>(
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
    pub(in crate::rig) fn next_queued(&mut self) -> Option<u32> {
        if self.has_room() { self.queue.pop_front() } else { None }
    }

    /// TCP is connected. Whether the link can be used as it is; else it says its TLS hello.
    pub(in crate::rig) fn connected<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        link: u32,
        now: Nanos,
    ) -> Result<bool, Loss> {
        let place = &mut self.links[link as usize];
        let State::Dialling(dialled) = place.state else { return Ok(false) };
        if let (Some(on), Some(key)) = (self.plan.socket.quickack, place.key) {
            reactor.set_quickack(key, on);
        }
        // By TCP Fast Open this was no handshake.
        if ledger.times_connections(now) && !self.plan.socket.opens_fast() {
            self.facts.connect.record(now - dialled);
        }
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
    pub(in crate::rig) fn introduces(&mut self, link: u32, now: Nanos) {
        self.links[link as usize].state = State::Introducing(now);
    }

    /// A link is ready for requests.
    pub(in crate::rig) fn comes_up(
        &mut self,
        ledger: &Ledger,
        link: u32,
        now: Nanos,
        in_window: bool,
    ) {
        let place = &mut self.links[link as usize];
        // Joining a chat is no login.
        if let State::Introducing(since) = place.state
            && !self.plan.service().is_chat()
            && ledger.times_connections(now)
        {
            self.facts.handshakes.login.record(now - since);
        }
        (place.state, place.established) = (State::Up, true);
        self.dialling -= 1;
        (self.last_up, self.timed_out) = (now, 0);
        self.facts.reconnects += u64::from(in_window && self.redials);
    }

    /// Whether a link is connected, but not ready for requests.
    pub(in crate::rig) fn is_introducing(&self, link: u32) -> bool {
        matches!(self.links[link as usize].state, State::Introducing(_))
    }

    /// A link is of no more use: closes it. One that was not made is counted.
    pub(in crate::rig) fn lose<R: Reactor>(
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
}

/// How a TLS handshake that failed is counted.
fn kind_of_handshake(error: &io::Error) -> FailureKind {
    if refused_certificate(error).is_some() {
        return FailureKind::TlsClientCertificate;
    }
    let fault = error.get_ref().and_then(|error| error.downcast_ref::<Fault>());
    if fault.is_some_and(Fault::is_about_certificate) {
        FailureKind::TlsCertificate
    } else {
        FailureKind::TlsHandshake
    }
}
