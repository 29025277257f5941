//! A connection of a readiness backend: [`PolledSocket`], with its socket, send queue and
//! interest.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::send_queue::SendQueue;
use crate::stamps::{self, Stamp};

/// See the [module](self).
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
pub(super) struct PolledSocket {
    pub(super) socket: OwnedFd,
    pub(super) queue: SendQueue,
    /// Current interest.
    pub(super) interest: EventFlags,
    pub(super) connecting: bool,
    /// The kernel stamps what is received.
    pub(super) stamped: bool,
    pub(super) paused: bool,
    /// The peer has half-closed.
    pub(super) ended: bool,
    /// Half-close once the queue is empty.
    pub(super) finish_when_sent: bool,
}

impl PolledSocket {
    pub(super) fn new(socket: OwnedFd, connecting: bool, stamped: bool) -> Self {
        Self {
            socket,
            queue: SendQueue::default(),
            interest: EventFlags::empty(),
            connecting,
            stamped,
            paused: false,
            ended: false,
            finish_when_sent: false,
        }
    }

    /// One read, with the receive timestamp of its last byte if the kernel gives them.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<(usize, Option<Stamp>), Errno> {
        if self.stamped {
            return stamps::receive(self.socket.as_fd(), buffer);
        }
        let (length, _) = rustix::net::recv(&self.socket, buffer, RecvFlags::empty())?;
        Ok((length, None))
    }

    /// The interest that it should have.
    pub(super) fn wanted_interest(&self) -> EventFlags {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::OUT, self.connecting || !self.queue.is_empty());
        wanted.set(EventFlags::IN, !self.connecting && !self.paused && !self.ended);
        wanted
    }
}
