//! Event-driven I/O in completion style: [`Reactor`] and its [`Handler`].
//!
//! A handler receives events (connected, bytes received, queued bytes sent) and issues commands
//! (send, pause, finish, close). Each backend is a module: [`epoll`], [`poll`] and [`uring`] for real
//! sockets, [`simulated`] and [`network`] for tests with a manual clock. A reactor belongs to one thread; only
//! its [`Waker`] may be used from others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::Nanos;
use crate::address::PeerAddress;
use crate::delivery::{self, Delivery};
use crate::listener::Listener;
use crate::socket::{self, ConnectOptions, EffectiveOptions};
use crate::tcp_info::{self, TcpInfo};
use crate::unread::Unread;

pub mod epoll;
mod listening;
pub mod network;
pub mod poll;
pub mod random;
mod readiness;
pub mod simulated;
#[cfg(test)]
mod tests;
pub mod uring;

pub use listening::AcceptPause;

slotmap::new_key_type! {
    /// Identifies a connection of a reactor. Keys are not reused: the key of a closed
    /// connection stays invalid.
    pub struct Key;
}

/// An event on a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection started by [`Reactor::connect`] is established.
    Connected,
    /// Bytes received; valid only during the call.
    Received(&'a [u8]),
    /// The peer has half-closed: no more bytes will arrive.
    EndOfInput,
    /// The last queued bytes were handed to the kernel.
    Sent,
    /// Connecting failed or the connection broke. The key is invalid from now on.
    Failed(io::Error),
}

/// Receives the events of a reactor.
pub trait Handler<R: Reactor> {
    /// An event on a connection.
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>);

    /// A connection was accepted. It is not registered with the reactor until it is
    /// [adopted](ServingReactor::adopt).
    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: PeerAddress) {
        let _ = (reactor, socket, peer);
    }

    /// Accepting failed for a local reason. It pauses for at most [`ACCEPT_PAUSE`] and resumes
    /// automatically, or when [told](ServingReactor::resume_listening).
    fn accept_failed(&mut self, reactor: &mut R, error: io::Error) {
        let _ = (reactor, error);
    }

    /// Whether a connection on which sending fails is read first: what the peer sent before it
    /// closed may say why, as a TLS alert does.
    fn reads_before_failure(&self) -> bool {
        false
    }

    /// A [`Waker`] was used.
    fn woken(&mut self, reactor: &mut R) {
        let _ = reactor;
    }
}

/// Maximum pause of accepting when descriptors or memory have run out: immediate retries would
/// busy-loop.
pub const ACCEPT_PAUSE: Nanos = 100 * crate::clock::MILLISECOND;

/// Maximum number of connections accepted per turn, so that a connection flood can't starve the
/// others; as large as any backlog, so that one turn empties it. Tests can't fill that.
const ACCEPTS_PER_TURN: usize = if cfg!(test) { 200 } else { 4096 };

/// Moves bytes and reports completions; one per thread.
pub trait Reactor: Sized {
    /// The current time of the reactor's clock.
    fn now(&self) -> Nanos;

    /// Starts a connection; [`Event::Connected`] or [`Event::Failed`] follows.
    ///
    /// # Errors
    /// When no socket can be created (out of descriptors or ports).
    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key>;

    /// Sends `bytes` after everything sent before: immediately as far as the kernel accepts
    /// them, the rest when it can. Errors are reported as [`Event::Failed`].
    fn send(&mut self, key: Key, bytes: &[u8]);

    /// Bytes that are queued and not yet accepted by the kernel.
    fn unsent(&self, key: Key) -> usize;

    /// Bytes of memory that the connection takes: the send queue as it is allocated, and input
    /// that was received and not passed on yet.
    fn held(&self, key: Key) -> usize {
        self.unsent(key)
    }

    /// Stops reading, which applies backpressure to the peer.
    fn pause(&mut self, key: Key);

    /// Resumes reading.
    fn resume(&mut self, key: Key);

    /// Half-closes (shuts down the write side) once everything is sent.
    fn finish(&mut self, key: Key);

    /// Closes the socket; no further event follows.
    fn close(&mut self, key: Key);

    /// The kernel's socket; `None` where there is no kernel.
    fn socket(&self, key: Key) -> Option<BorrowedFd<'_>> {
        let _ = key;
        None
    }

    /// TCP_INFO of the connection; `None` where there is no kernel, and of another kind of socket.
    fn tcp_info(&self, key: Key) -> Option<TcpInfo> {
        tcp_info::read(self.socket(key)?).ok()
    }

    /// What the peer has taken of that which was sent; `None` where there is no kernel.
    fn delivery(&self, key: Key) -> Option<Delivery> {
        delivery::read(self.socket(key)?).ok()
    }

    /// When the kernel received the last of the bytes passed by [`Event::Received`]: an instant
    /// of [`now`](Self::now)'s clock. `None` at other times, and for connections whose
    /// [stamps](ConnectOptions::stamps) were not requested or are missing.
    fn arrival(&self) -> Option<Nanos> {
        None
    }

    /// The effective options of the socket; `None` where there is no kernel.
    fn socket_options(&self, key: Key) -> Option<EffectiveOptions> {
        EffectiveOptions::read(self.socket(key)?).ok()
    }

    /// Has what is received acknowledged at once, or with a delay, until the kernel thinks
    /// otherwise ([`TcpOptions::quickack`](crate::socket::TcpOptions::quickack)). No effect where
    /// there is no kernel.
    fn set_quickack(&mut self, key: Key, on: bool) {
        let _ = self.socket(key).map(|socket| socket::set_quickack(socket, on));
    }

    /// Waits for events or until `until` (forever with `None`) and passes all events to
    /// `handler`. With an instant in the past it only polls.
    ///
    /// # Errors
    /// When waiting fails; the reactor is unusable afterwards.
    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()>;
}

/// A reactor for servers: it accepts connections and can be woken.
pub trait ServingReactor: Reactor {
    /// Starts accepting connections on this non-blocking listener too.
    fn listen(&mut self, listener: impl Into<Listener>) -> io::Result<()>;

    /// Ends a pause of accepting: a descriptor may be free again.
    fn resume_listening(&mut self);

    /// Closes all listeners.
    fn stop_listening(&mut self);

    /// Registers a connected, non-blocking socket.
    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key>;

    /// The close of this connection is to be a reset, so that the peer sees that it was cut;
    /// nothing where there is no kernel.
    fn reset_on_close(&mut self, key: Key) {
        let _ = self.socket(key).map(socket::reset_on_close);
    }

    /// Passes on what has arrived until now, the connections that are pending included, without
    /// waiting for more. What is still unread then stays where it is until the next turn, so that
    /// [`unread`](Self::unread) counts all of it.
    ///
    /// # Errors
    /// As of [`turn`](Reactor::turn).
    fn settle(&mut self, handler: &mut impl Handler<Self>) -> io::Result<()> {
        self.turn(Some(0), handler)
    }

    /// Input that has arrived but was not passed to the handler yet.
    fn unread(&self, key: Key) -> Unread;

    /// A handle that interrupts [`turn`](Reactor::turn) from any thread.
    fn waker(&self) -> Waker;
}

/// Interrupts a reactor's wait from any thread, which calls [`Handler::woken`]. Several uses
/// before the reactor notices are merged into one.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// A waker for event loops that wait for its descriptor to become readable.
    ///
    /// # Errors
    /// When no descriptor is available.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Wakes the reactor.
    pub fn wake(&self) {
        // The only possible failure is a full counter, which also wakes.
        let _ = rustix::io::write(self.0.as_fd(), &1_u64.to_ne_bytes());
    }

    /// Resets it after use.
    pub fn reset(&self) {
        let _ = rustix::io::read(self.0.as_fd(), &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
