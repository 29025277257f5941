//! A driver's access to its socket: [`Transport`]; and the implementation for models that
//! receive readiness events: [`QueuedSocket`], a non-blocking socket with a send queue.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use echo_net::Nanos;
use echo_net::delivery;
use echo_net::send_queue::SendQueue;
use echo_net::socket::reset_on_close;
use echo_net::stream::Stream;
use echo_net::unread::{self, Unread};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use socket2::Socket;

use crate::session::Acknowledged;

/// A driver's access to its socket. Only the model knows how to wait for it.
pub(crate) trait Transport {
    /// Sends `bytes`: immediately as far as the kernel accepts them, the rest later.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Bytes not yet accepted by the kernel.
    fn unsent(&self) -> usize;

    /// Bytes of memory that it takes: those, as they are allocated, and input that was not
    /// passed on yet.
    fn held(&self) -> usize {
        self.unsent()
    }

    /// Shuts down the write side; the queue is empty then.
    fn finish(&mut self) -> io::Result<()>;

    /// Input that has arrived and was not read yet.
    fn unread(&self) -> Unread;

    /// What the peer has acknowledged of that which was sent.
    fn acknowledged(&self) -> Acknowledged;

    /// The close is to be a reset, which discards what was not sent yet.
    fn reset_on_close(&mut self);

    /// The time after sending, which started at `now`: later only if sending blocks.
    fn after_sending(&self, now: Nanos) -> Nanos {
        now
    }
}

/// A non-blocking socket.
pub(crate) trait NonBlocking: AsFd {
    /// Sends what the kernel accepts of `bytes` now.
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, SendFlags::NOSIGNAL)?)
    }
}

impl NonBlocking for OwnedFd {}

impl NonBlocking for &Socket {}

impl NonBlocking for Stream {
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        // The runtime must see the WouldBlock.
        self.try_write(bytes)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct QueuedSocket<S> {
    /// What the model currently waits for.
    pub(crate) socket: S,
    queue: SendQueue,
}

impl<S: NonBlocking> QueuedSocket<S> {
    /// Nothing is queued yet.
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, queue: SendQueue::default() }
    }

    /// Sends what the kernel accepts of the queue.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Self { socket, queue } = self;
        if !queue.is_empty() {
            queue.flush(|bytes| socket.try_send(bytes))?;
        }
        Ok(())
    }

    /// Reads once; 0 bytes at the end of input, `None` if there is nothing to read.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::net::recv(&self.socket, buffer, RecvFlags::empty()) {
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl<S: NonBlocking> Transport for QueuedSocket<S> {
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { socket, queue } = self;
        queue.send(bytes, |bytes| socket.try_send(bytes))
    }

    #[inline]
    fn unsent(&self) -> usize {
        self.queue.len()
    }

    #[inline]
    fn held(&self) -> usize {
        self.queue.capacity()
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }

    fn unread(&self) -> Unread {
        // If the query fails the socket is broken and holds nothing to serve.
        unread::read(self.socket.as_fd()).unwrap_or_default()
    }

    fn acknowledged(&self) -> Acknowledged {
        acknowledged(self.socket.as_fd())
    }

    fn reset_on_close(&mut self) {
        // Fails only for what is no socket.
        let _ = reset_on_close(self.socket.as_fd());
    }
}

/// What the peer of `socket` has acknowledged.
pub(crate) fn acknowledged(socket: BorrowedFd<'_>) -> Acknowledged {
    delivery::read(socket).map_or(Acknowledged::ALL, Acknowledged::from)
}

/// Readiness as reported by poll(2) or epoll(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There is input, or an error that reading will return.
    Readable,
    /// It broke while no input was wanted, so nothing else would report it.
    Broken,
    /// There may be room for output.
    Writable,
}

impl Readiness {
    /// Converts event flags of a socket on which input was `wanted` or not.
    pub(crate) fn new(wanted: bool, input: bool, broken: bool) -> Self {
        match (wanted, broken) {
            (true, _) if input || broken => Self::Readable,
            (false, true) => Self::Broken,
            _ => Self::Writable,
        }
    }
}
