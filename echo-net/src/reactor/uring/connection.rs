//! A connection of this backend: [`UringSocket`], with its socket, its queues in both
//! directions, and its outstanding requests.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffers::Lease;
use crate::send_queue::SendQueue;
use crate::unread::Unread;

/// State of a multishot request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Not submitted.
    None,
    /// Submitted.
    Made,
    /// Being cancelled; one more completion follows.
    Cancelled,
}

/// Sockets of all reactors of this process that are open.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// How many sockets all reactors of this process have open.
pub(super) fn open() -> u64 {
    OPEN.load(Ordering::Relaxed)
}

/// A socket that is counted until this is dropped.
#[derive(Debug)]
struct Counted;

impl Counted {
    fn new() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See the [module](self).
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
pub(super) struct UringSocket {
    pub(super) socket: OwnedFd,
    pub(super) queue: SendQueue,
    pub(super) connecting: bool,
    /// The kernel stamps what is received.
    pub(super) stamped: bool,
    pub(super) paused: bool,
    /// The peer has half-closed.
    pub(super) ended: bool,
    /// Half-close once the queue is empty.
    pub(super) finish_when_sent: bool,
    /// The socket has reported an error or a hang-up.
    pub(super) broken: bool,
    pub(super) receiving: Request,
    pub(super) watching: Request,
    /// Data received before a pause took effect, in order.
    held_back: VecDeque<Arrival>,
    _counted: Counted,
}

/// Received data that was not delivered yet.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A copy, so that a paused connection can't hold buffers that all share.
    Bytes(Box<[u8]>),
    /// The end of the input.
    End,
}

impl UringSocket {
    pub(super) fn new(socket: OwnedFd, connecting: bool, stamped: bool) -> Self {
        Self {
            socket,
            queue: SendQueue::default(),
            connecting,
            stamped,
            paused: false,
            ended: false,
            finish_when_sent: false,
            broken: false,
            receiving: Request::None,
            watching: Request::None,
            held_back: VecDeque::new(),
            _counted: Counted::new(),
        }
    }

    /// Whether a receive request should be submitted.
    pub(super) fn wants_to_receive(&self) -> bool {
        !self.connecting && !self.paused && !self.ended && !self.holds_back()
    }

    /// Whether a poll request should be submitted. An existing one is kept: it completes only
    /// when something changes.
    pub(super) fn wants_to_watch(&self) -> bool {
        self.connecting || !self.queue.is_empty() || self.paused || self.ended
    }

    /// Whether the kernel has a request that refers to the socket.
    pub(super) fn has_requests(&self) -> bool {
        self.receiving != Request::None || self.watching != Request::None
    }

    /// Whether received data is held back.
    pub(super) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Holds back data that can't be delivered now; `None` is the end of input.
    pub(super) fn hold_back(&mut self, received: Option<&Lease>) {
        self.held_back.push_back(match received {
            Some(bytes) => Arrival::Bytes((**bytes).into()),
            None => Arrival::End,
        });
    }

    /// Bytes held back, and whether the end of input is.
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

    /// The oldest data held back.
    pub(super) fn release(&mut self) -> Option<Arrival> {
        self.held_back.pop_front()
    }
}
