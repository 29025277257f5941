//! One end of a simulated connection as its kernel knows it: [`Socket`]; and what happened on a
//! connection: [`Link`].

use std::collections::VecDeque;
use std::io;
use std::ops::{Index, IndexMut};

use crate::Nanos;
use crate::reactor::Key;
use crate::send_queue::SendQueue;

/// The ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Something of each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Both<T>([T; 2]);

impl<T> Index<Side> for Both<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        &self.0[side as usize]
    }
}

impl<T> IndexMut<Side> for Both<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        &mut self.0[side as usize]
    }
}

/// How a side closed its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Nanos,
    /// Bytes that were passed to `send` and are lost.
    pub unsent: usize,
    /// Bytes that had arrived and were not read: the peer gets a reset.
    pub unread: usize,
    /// Whether the write side had been shut down.
    pub finished: bool,
    /// Whether the owner asked for a reset.
    pub reset: bool,
}

/// What happened on a connection, for tests to judge.
#[derive(Debug, Default)]
pub struct Link {
    /// All bytes that each side passed to `send`.
    pub sent: Both<Vec<u8>>,
    /// All bytes that each side's handler received.
    pub received: Both<Vec<u8>>,
    /// Whether each side's handler was told of the end of input.
    pub ended: Both<bool>,
    /// How each side closed its socket; `None` while it is open.
    pub closed: Both<Option<Closing>>,
    /// The most bytes that each side had in its own queue at one time.
    pub most_unsent: Both<usize>,
    /// Whether the network reset it or ended a direction.
    pub disturbed: bool,
    /// Whether the server was asked for it at all.
    pub accepted: bool,
    /// Whether the server refused it with a direct write.
    pub refused: bool,
    pub(super) sockets: Both<Socket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// Not connected, or not accepted yet.
    #[default]
    Pending,
    Up,
    /// Closed or broken.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Output {
    #[default]
    Open,
    /// The end follows what is queued.
    Finishing,
    Finished,
}

/// See the [module](self).
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
pub(super) struct Socket {
    /// The reactor that has it, and under which key.
    pub(super) owner: Option<(usize, Key)>,
    pub(super) phase: Phase,
    /// The handler is to be told that it is connected.
    pub(super) connected: bool,
    /// The handler is to be told that it broke.
    pub(super) failure: Option<io::ErrorKind>,
    /// The handler is to be told that its queue is empty.
    pub(super) drained: bool,
    /// Received and not read.
    pub(super) arrived: VecDeque<Vec<u8>>,
    pub(super) unread: usize,
    /// The end of input has arrived.
    pub(super) end_arrived: bool,
    pub(super) end_told: bool,
    pub(super) paused: bool,
    /// Not accepted by the kernel yet.
    pub(super) queue: SendQueue,
    /// The send buffer: not on the wire yet.
    pub(super) buffer: SendQueue,
    /// On the wire to the other side.
    pub(super) under_way: usize,
    pub(super) output: Output,
    /// Its close is to be a reset.
    pub(super) resets: bool,
    /// The network swallows what is sent: this direction was ended by it.
    pub(super) swallowed: bool,
    /// When the last segment arrives at the other side: none overtakes it.
    pub(super) last_arrival: Nanos,
}

impl Socket {
    /// Forgets all that it would still have sent.
    pub(super) fn drop_output(&mut self) {
        self.queue = SendQueue::default();
        self.buffer = SendQueue::default();
        self.output = Output::Finished;
    }

    /// Whether its owner has something to be told.
    pub(super) fn is_ready(&self) -> bool {
        self.connected
            || self.failure.is_some()
            || self.drained
            || (!self.paused
                && (!self.arrived.is_empty() || (self.end_arrived && !self.end_told)))
    }
}

/// Appends `bytes` to a queue.
pub(super) fn append(queue: &mut SendQueue, bytes: &[u8]) {
    // Nothing is written, so nothing fails.
    let _ = queue.send(bytes, |_| Err(io::ErrorKind::WouldBlock.into()));
}

/// Takes up to `length` bytes from the front of a queue.
pub(super) fn take(queue: &mut SendQueue, length: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    let _ = queue.flush(|bytes| {
        let room = length - taken.len();
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = bytes.len().min(room);
        taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    });
    taken
}
