//! One end of a simulated network: [`NetworkReactor`], a reactor whose sockets are those of the
//! [`Network`].

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use slotmap::SlotMap;

use super::Network;
use super::conditions::Fault;
use super::socket::{Output, Phase, Side, append};
use super::state::Listener;
use crate::Nanos;
use crate::address::PeerAddress;
use crate::listener;
use crate::reactor::{ACCEPT_PAUSE, Event, Handler, Key, Reactor, ServingReactor, Waker};
use crate::socket::ConnectOptions;
use crate::unread::Unread;

/// Advances without any event after which a simulation counts as stuck in a loop.
const MOST_IDLE_STEPS: u32 = 1_000_000;

/// Runs the other side of the network until it has nothing to do, and returns its next
/// deadline.
pub type FarSide<'a> = Box<dyn FnMut() -> Option<Nanos> + 'a>;

/// The bytes that the handler wrote directly to the socket that it was just given, if it
/// refused it that way.
pub type Refusals<'a> = Box<dyn FnMut() -> Option<Vec<u8>> + 'a>;

/// See the module.
pub struct NetworkReactor<'a> {
    network: Network,
    /// Its place among the reactors of the network.
    id: usize,
    keys: SlotMap<Key, (usize, Side)>,
    waker: Waker,
    /// The waker was used, and the handler was not told yet.
    woken: Cell<bool>,
    /// Present in the reactor that leads.
    far_side: Option<FarSide<'a>>,
    refusals: Option<Refusals<'a>>,
}

impl fmt::Debug for NetworkReactor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkReactor")
            .field("id", &self.id)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl<'a> NetworkReactor<'a> {
    /// A reactor of this network.
    ///
    /// # Errors
    /// When no descriptor is available for its waker.
    pub fn new(network: &Network) -> io::Result<Self> {
        let waker = Waker::new()?;
        let mut state = network.state();
        let id = state.listeners.len();
        state.listeners.push(Listener::default());
        drop(state);
        let keys = SlotMap::with_key();
        let network = network.clone();
        let woken = Cell::default();
        Ok(Self { network, id, keys, waker, woken, far_side: None, refusals: None })
    }

    /// Makes it the one that leads: `far_side` is called at each step.
    #[must_use]
    pub fn leading(mut self, far_side: FarSide<'a>) -> Self {
        self.far_side = Some(far_side);
        self
    }

    /// `refusals` is asked after each accepted connection, since direct writes to its socket
    /// don't reach the network.
    #[must_use]
    pub fn with_refusals(mut self, refusals: Refusals<'a>) -> Self {
        self.refusals = Some(refusals);
        self
    }

    /// Starts accepting connections.
    pub fn accept_connections(&mut self) {
        self.network.state().listeners[self.id].open = true;
    }

    /// Whether a turn would pass something to the handler.
    pub fn is_ready(&self) -> bool {
        if self.is_woken() {
            return true;
        }
        let state = self.network.state();
        let listener = &state.listeners[self.id];
        let accepts = !listener.backlog.is_empty() && state.now >= listener.paused_until;
        accepts
            || self
                .keys
                .values()
                .any(|&(link, side)| state.links[link].sockets[side].is_ready())
    }

    /// Passes all that is ready to the handler; whether there was anything.
    fn deliver(&mut self, handler: &mut impl Handler<Self>) -> bool {
        let mut any = self.is_woken();
        if any {
            self.woken.set(false);
            handler.woken(self);
        }
        any |= self.accept_all(handler);
        let open: Vec<Key> = self.keys.keys().collect();
        for key in open {
            while self.deliver_one(key, handler) {
                any = true;
            }
        }
        any
    }

    fn is_woken(&self) -> bool {
        if rustix::io::read(&self.waker, &mut [0; 8]).is_ok() {
            self.woken.set(true);
        }
        self.woken.get()
    }

    /// Passes the next event of a connection to the handler, if there is one.
    fn deliver_one(&mut self, key: Key, handler: &mut impl Handler<Self>) -> bool {
        let Some(&(link, side)) = self.keys.get(key) else { return false };
        let mut state = self.network.state();
        let socket = &mut state.links[link].sockets[side];
        let end_is_next = socket.arrived.is_empty() && socket.end_arrived && !socket.end_told;
        if std::mem::take(&mut socket.connected) {
            drop(state);
            handler.event(self, key, Event::Connected);
        } else if !socket.paused && !socket.arrived.is_empty() {
            let bytes = state.read(link, side).unwrap_or_default();
            drop(state);
            handler.event(self, key, Event::Received(&bytes));
        } else if let Some(kind) = socket.failure.take() {
            socket.phase = Phase::Gone;
            socket.owner = None;
            drop(state);
            self.keys.remove(key);
            handler.event(self, key, Event::Failed(kind.into()));
        } else if !socket.paused && end_is_next {
            socket.end_told = true;
            state.links[link].ended[side] = true;
            drop(state);
            handler.event(self, key, Event::EndOfInput);
        } else if std::mem::take(&mut socket.drained) {
            let is_empty = socket.queue.is_empty();
            drop(state);
            if is_empty {
                handler.event(self, key, Event::Sent);
            }
        } else {
            return false;
        }
        true
    }

    fn accept_all(&mut self, handler: &mut impl Handler<Self>) -> bool {
        let mut any = false;
        loop {
            let mut state = self.network.state();
            let now = state.now;
            if now < state.listeners[self.id].paused_until {
                return any;
            }
            let Some(link) = state.listeners[self.id].backlog.pop_front() else { return any };
            any = true;
            let odds = state.conditions.accept_failures;
            let failed = state.random.one_in(odds);
            let socket = if failed { Err(io::ErrorKind::OutOfMemory.into()) } else { socket() };
            match socket {
                Ok(socket) => {
                    state.accepted.insert(socket.as_raw_fd(), link);
                    state.links[link].accepted = true;
                    state.links[link].sockets[Side::Server].phase = Phase::Up;
                    drop(state);
                    handler.accepted(self, socket, peer_of(link));
                    self.note_refusal(link);
                }
                Err(error) => {
                    state.faults.count(Fault::AcceptFailure);
                    state.listeners[self.id].backlog.push_front(link);
                    state.listeners[self.id].paused_until = now + ACCEPT_PAUSE;
                    state.alarm(now + ACCEPT_PAUSE);
                    drop(state);
                    handler.accept_failed(self, error);
                }
            }
        }
    }

    fn note_refusal(&mut self, link: usize) {
        let Some(bytes) = self.refusals.as_mut().and_then(|refused| refused()) else { return };
        let mut state = self.network.state();
        state.links[link].refused = true;
        let socket = &mut state.links[link].sockets[Side::Server];
        append(&mut socket.buffer, &bytes);
        socket.output = Output::Finishing;
        state.pump(link, Side::Server);
    }

    /// Closes all its connections at once, as the end of a process does.
    pub fn close_all(&mut self) {
        let open: Vec<Key> = self.keys.keys().collect();
        for key in open {
            self.close(key);
        }
    }

    fn place(&self, key: Key) -> Option<(usize, Side)> {
        self.keys.get(key).copied()
    }
}

/// A socket that options can be set on.
fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?)
}

/// The address of the client of a connection; each has its own.
fn peer_of(link: usize) -> PeerAddress {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1024 + (link % 60_000) as u16)).into()
}

impl Reactor for NetworkReactor<'_> {
    fn now(&self) -> Nanos {
        self.network.now()
    }

    fn connect(&mut self, _options: &ConnectOptions) -> io::Result<Key> {
        let link = self.network.state().connect()?;
        let key = self.keys.insert((link, Side::Client));
        self.network.state().own(link, Side::Client, (self.id, key));
        Ok(key)
    }

    fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some((link, side)) = self.place(key) else { return };
        let mut state = self.network.state();
        let entry = &mut state.links[link];
        let socket = &mut entry.sockets[side];
        if socket.failure.is_some() {
            return;
        }
        if socket.output == Output::Finished {
            socket.failure = Some(io::ErrorKind::BrokenPipe);
            return;
        }
        entry.sent[side].extend_from_slice(bytes);
        append(&mut socket.queue, bytes);
        let was_drained = socket.drained;
        state.pump(link, side);
        let entry = &mut state.links[link];
        let unsent = entry.sockets[side].queue.len();
        if unsent == 0 {
            // Only a queue that others could see is reported as empty.
            entry.sockets[side].drained = was_drained;
        }
        entry.most_unsent[side] = entry.most_unsent[side].max(unsent);
    }

    fn unsent(&self, key: Key) -> usize {
        let Some((link, side)) = self.place(key) else { return 0 };
        self.network.state().links[link].sockets[side].queue.len()
    }

    fn pause(&mut self, key: Key) {
        let Some((link, side)) = self.place(key) else { return };
        self.network.state().links[link].sockets[side].paused = true;
    }

    fn resume(&mut self, key: Key) {
        let Some((link, side)) = self.place(key) else { return };
        self.network.state().links[link].sockets[side].paused = false;
    }

    fn finish(&mut self, key: Key) {
        let Some((link, side)) = self.place(key) else { return };
        let mut state = self.network.state();
        let socket = &mut state.links[link].sockets[side];
        if socket.output == Output::Open {
            socket.output = Output::Finishing;
        }
        state.pump(link, side);
    }

    fn close(&mut self, key: Key) {
        if let Some((link, side)) = self.keys.remove(key) {
            self.network.state().close(link, side, false);
        }
    }

    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()> {
        let Some(mut far_side) = self.far_side.take() else {
            // The one that leads says when time passes.
            self.deliver(handler);
            return Ok(());
        };
        let outcome = self.lead(until, handler, &mut far_side);
        self.far_side = Some(far_side);
        outcome
    }
}

impl NetworkReactor<'_> {
    fn lead(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
        far_side: &mut FarSide<'_>,
    ) -> io::Result<()> {
        for _ in 0..MOST_IDLE_STEPS {
            let far_deadline = far_side();
            let is_due = until.is_some_and(|until| until <= self.now());
            if self.deliver(handler) || is_due {
                return Ok(());
            }
            let next = [self.network.next_at(), far_deadline, until];
            let Some(next) = next.into_iter().flatten().min() else {
                return Err(io::Error::other("the simulation is stuck: nothing is to come"));
            };
            self.network.advance(next);
        }
        Err(io::Error::other("the simulation is stuck: no time passes"))
    }
}

impl ServingReactor for NetworkReactor<'_> {
    fn listen(&mut self, _listener: impl Into<listener::Listener>) -> io::Result<()> {
        self.accept_connections();
        Ok(())
    }

    fn resume_listening(&mut self) {
        let mut state = self.network.state();
        let now = state.now;
        state.listeners[self.id].paused_until = now;
    }

    fn stop_listening(&mut self) {
        let mut state = self.network.state();
        let listener = &mut state.listeners[self.id];
        listener.open = false;
        let backlog = std::mem::take(&mut listener.backlog);
        for link in backlog {
            state.close(link, Side::Server, true);
        }
    }

    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key> {
        let mut state = self.network.state();
        let Some(link) = state.accepted.remove(&socket.as_raw_fd()) else {
            return Err(io::Error::other("not a socket of this network"));
        };
        let key = self.keys.insert((link, Side::Server));
        state.own(link, Side::Server, (self.id, key));
        Ok(key)
    }

    fn reset_on_close(&mut self, key: Key) {
        let Some((link, side)) = self.place(key) else { return };
        self.network.state().links[link].sockets[side].resets = true;
    }

    fn unread(&self, key: Key) -> Unread {
        let Some((link, side)) = self.place(key) else { return Unread::default() };
        let state = self.network.state();
        let socket = &state.links[link].sockets[side];
        Unread { bytes: socket.unread, ended: socket.end_arrived && !socket.end_told }
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

impl Drop for NetworkReactor<'_> {
    fn drop(&mut self) {
        self.close_all();
    }
}
