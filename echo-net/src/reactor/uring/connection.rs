//! One connection of the backend: [`UringSocket`], its socket, what waits in either
//! direction, and which of its requests the kernel has.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use super::buffers::Lease;
use crate::send_queue::SendQueue;
use crate::unread::Unread;

/// A request that the kernel completes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The kernel has none.
    None,
    /// It will complete.
    Made,
    /// It was asked to end, and will complete for the last time.
    Cancelled,
}

/// See the [module](self).
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
pub(super) struct UringSocket {
    pub(super) socket: OwnedFd,
    pub(super) queue: SendQueue,
    pub(super) connecting: bool,
    pub(super) paused: bool,
    /// The peer has half-closed.
    pub(super) ended: bool,
    /// Half-close once the queue is empty.
    pub(super) finish_when_sent: bool,
    /// The socket has reported an error or a hang-up.
    pub(super) broken: bool,
    pub(super) receiving: Request,
    pub(super) watching: Request,
    /// What was received before a pause took effect, in order.
    held_back: VecDeque<Arrival>,
}

/// What was received and is not told yet.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A copy, so that a peer that is not read can't keep the buffers of all from them.
    Bytes(Box<[u8]>),
    /// The end of the input.
    End,
}

impl UringSocket {
    pub(super) fn new(socket: OwnedFd, connecting: bool) -> Self {
        Self {
            socket,
            queue: SendQueue::default(),
            connecting,
            paused: false,
            ended: false,
            finish_when_sent: false,
            broken: false,
            receiving: Request::None,
            watching: Request::None,
            held_back: VecDeque::new(),
        }
    }

    /// Whether a request to receive should be with the kernel.
    pub(super) fn wants_to_receive(&self) -> bool {
        !self.connecting && !self.paused && !self.ended && !self.holds_back()
    }

    /// Whether a request to watch the socket should be with the kernel. One that is there
    /// stays: it completes only when something changes.
    pub(super) fn wants_to_watch(&self) -> bool {
        self.connecting || !self.queue.is_empty() || self.paused || self.ended
    }

    /// Whether the kernel has a request that refers to the socket.
    pub(super) fn has_requests(&self) -> bool {
        self.receiving != Request::None || self.watching != Request::None
    }

    /// Whether something that was received waits to be told.
    pub(super) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Holds back what can't be told now; nothing is the end.
    pub(super) fn hold_back(&mut self, received: Option<&Lease>) {
        self.held_back.push_back(match received {
            Some(bytes) => Arrival::Bytes((**bytes).into()),
            None => Arrival::End,
        });
    }

    /// Bytes that are held back, and whether the end is.
    pub(super) fn held_back(&self) -> Unread {
        let mut unread = Unread::default();
        for arrival in &self.held_back {
            match arrival {
                Arrival::Bytes(bytes) => unread.bytes += bytes.len(),
                Arrival::End => unread.ended = true,
            }
        }
        unread
    }

    /// The oldest that was held back.
    pub(super) fn release(&mut self) -> Option<Arrival> {
        self.held_back.pop_front()
    }
}
