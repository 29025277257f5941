//! How a driver reaches its peer: [`Transport`]; and that of the models that learn only that a
//! socket is ready: [`QueuedSocket`], a non-blocking socket and what waits to be sent on it.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

use echo_net::Nanos;
use echo_net::send_queue::SendQueue;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread::{self, Unread};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

/// How a driver reaches its peer. Only the model knows how to wait for it.
pub(crate) trait Transport {
    /// Sends all of `bytes`: at once as far as the kernel takes them, the rest later.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Bytes that the kernel has not taken yet.
    fn unsent(&self) -> usize;

    /// Shuts down the write side; nothing is unsent then.
    fn finish(&mut self) -> io::Result<()>;

    /// Input that has arrived and was not read yet.
    fn unread(&self) -> Unread;

    /// Whether the peer's kernel has everything, after [`finish`](Self::finish).
    fn is_end_acknowledged(&self) -> bool;

    /// The instant after sending, where it began at `now`: a later one only if sending waits.
    fn after_sending(&self, now: Nanos) -> Nanos {
        now
    }
}

/// A non-blocking socket.
pub(crate) trait NonBlocking: AsFd {
    /// Sends what the kernel takes of `bytes` now.
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, SendFlags::NOSIGNAL)?)
    }
}

impl NonBlocking for OwnedFd {}

impl NonBlocking for &TcpStream {}

impl NonBlocking for tokio::net::TcpStream {
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        // The runtime is to learn that the socket would block.
        self.try_write(bytes)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct QueuedSocket<S> {
    /// What the model waits for.
    pub(crate) socket: S,
    queue: SendQueue,
}

impl<S: NonBlocking> QueuedSocket<S> {
    /// Nothing is queued yet.
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, queue: SendQueue::default() }
    }

    /// Sends what the kernel takes now of what is queued.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Self { socket, queue } = self;
        if !queue.is_empty() {
            queue.flush(|bytes| socket.try_send(bytes))?;
        }
        Ok(())
    }

    /// Reads once; 0 bytes at the end of input, `None` if there is nothing to read now.
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

    fn finish(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }

    fn unread(&self) -> Unread {
        // A socket that can't tell is broken, and holds nothing to serve.
        unread::read(self.socket.as_fd()).unwrap_or_default()
    }

    fn is_end_acknowledged(&self) -> bool {
        end_acknowledged(self.socket.as_fd())
    }
}

/// What poll(2) or epoll(7) has told of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There is input, or an error that reading will tell.
    Readable,
    /// It broke while no input was wanted: nothing else would tell.
    Broken,
    /// At most, there is room for output.
    Writable,
}

impl Readiness {
    /// From the flags of a socket of which input was `wanted` or not.
    pub(crate) fn new(wanted: bool, input: bool, broken: bool) -> Self {
        match (wanted, broken) {
            (true, _) if input || broken => Self::Readable,
            (false, true) => Self::Broken,
            _ => Self::Writable,
        }
    }
}
