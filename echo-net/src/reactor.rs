//! One interface for event-driven I/O that speaks in completions: [`Reactor`] and its
//! [`Handler`].
//!
//! A handler is told what has happened (a connection made, bytes received, queued bytes
//! taken by the kernel) and answers with commands (send, pause, finish, close). Backends
//! are one module each: [`epoll`] and [`uring`] for real sockets, [`simulated`] for tests
//! with a manual clock. A reactor belongs to one thread; only its [`Waker`] may leave it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::Nanos;
use crate::socket::ConnectOptions;
use crate::tcp_info::TcpInfo;
use crate::unread::Unread;

pub mod epoll;
mod listening;
pub mod simulated;
#[cfg(test)]
mod tests;
pub mod uring;

slotmap::new_key_type! {
    /// Names a connection of a reactor. A key of a connection that is gone names nothing,
    /// also when its place is taken again.
    pub struct Key;
}

/// What happened to a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection that was begun with [`Reactor::connect`] is made.
    Connected,
    /// Bytes have arrived. They are gone after the call.
    Received(&'a [u8]),
    /// The peer has half-closed: no more bytes will arrive.
    EndOfInput,
    /// Bytes had to be queued, and now the kernel has taken the last of them.
    Sent,
    /// The connection could not be made, or broke. Its key names nothing any more.
    Failed(io::Error),
}

/// Who is told what happened.
pub trait Handler<R: Reactor> {
    /// Something happened to a connection.
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>);

    /// A connection was accepted on a listener. It is not the reactor's until it is
    /// [adopted](ServingReactor::adopt). `peer` is [canonical](crate::address::canonical).
    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: SocketAddr) {
        let _ = (reactor, socket, peer);
    }

    /// Accepting failed, and not for a reason that lies with the peer. Accepting pauses
    /// for [`ACCEPT_PAUSE`] and goes on by itself.
    fn accept_failed(&mut self, reactor: &mut R, error: io::Error) {
        let _ = (reactor, error);
    }

    /// A [`Waker`] was used.
    fn woken(&mut self, reactor: &mut R) {
        let _ = reactor;
    }
}

/// How long accepting pauses when descriptors or memory have run out: retrying at once
/// would burn a core without accepting anything.
pub const ACCEPT_PAUSE: Nanos = 100 * crate::clock::MILLISECOND;

/// Moves bytes and reports completions; one per thread.
pub trait Reactor: Sized {
    /// The present instant of the reactor's clock.
    fn now(&self) -> Nanos;

    /// Begins a connection; [`Event::Connected`] or [`Event::Failed`] follows.
    ///
    /// # Errors
    /// When no socket can be had (descriptors or ports have run out).
    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key>;

    /// Sends all of `bytes`, in order after what was sent before: at once as far as the
    /// kernel takes them, the rest when it can. A failure shows as [`Event::Failed`].
    fn send(&mut self, key: Key, bytes: &[u8]);

    /// Bytes that the kernel has not taken yet.
    fn unsent(&self, key: Key) -> usize;

    /// Stops reading, so that the peer feels the back pressure.
    fn pause(&mut self, key: Key);

    /// Reads again.
    fn resume(&mut self, key: Key);

    /// Shuts down the write side (half-close) once all is sent.
    fn finish(&mut self, key: Key);

    /// Forgets the connection and closes its socket; no event follows.
    fn close(&mut self, key: Key);

    /// What the kernel knows of the connection; `None` where there is no kernel.
    fn tcp_info(&self, key: Key) -> Option<TcpInfo>;

    /// The kernel's actual (send, receive) buffer sizes; `None` where there is no kernel.
    fn buffer_sizes(&self, key: Key) -> Option<(usize, usize)>;

    /// Waits until something happens or until the instant `until` (for ever with `None`),
    /// and tells `handler` all that has happened. An instant in the past only looks.
    ///
    /// # Errors
    /// When waiting itself is impossible; the reactor is of no more use then.
    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()>;
}

/// A reactor that also serves: it accepts connections and can be woken.
pub trait ServingReactor: Reactor {
    /// Accepts connections from now on, on this listener too; it must be non-blocking.
    fn listen(&mut self, listener: TcpListener) -> io::Result<()>;

    /// Closes all listeners.
    fn stop_listening(&mut self);

    /// Takes over a connected, non-blocking socket.
    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key>;

    /// Input that has arrived and of which the handler was not told yet.
    fn unread(&self, key: Key) -> Unread;

    /// A handle that ends a [`turn`](Reactor::turn) from any thread.
    fn waker(&self) -> Waker;
}

/// Ends a reactor's wait from any thread; the handler is told through
/// [`Handler::woken`]. Several uses before the reactor notices count as one.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// A waker for whoever waits until its descriptor is readable.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Wakes the reactor.
    pub fn wake(&self) {
        // The only possible failure is a counter that is full: it wakes all the same.
        let _ = rustix::io::write(self.0.as_fd(), &1_u64.to_ne_bytes());
    }

    /// Forgets that it was used.
    pub fn reset(&self) {
        let _ = rustix::io::read(self.0.as_fd(), &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
