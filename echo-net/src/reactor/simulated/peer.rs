//! The remote ends of simulated connections: [`Peer`], and [`EchoPeer`], which echoes what it
//! receives, with delays, in pieces or not at all. Peers that speak a protocol belong to the
//! tests of the crates that need them.

use std::io;

use crate::Nanos;
use crate::reactor::random::Random;

/// Result of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The connection is established.
    Made {
        /// Delay after the attempt.
        after: Nanos,
    },
    /// The connection fails: refused, unreachable, timed out.
    Failed {
        /// Delay after the attempt.
        after: Nanos,
        /// The reason.
        kind: io::ErrorKind,
    },
    /// No answer, ever.
    Unanswered,
    /// No socket can be created: [`Reactor::connect`](crate::reactor::Reactor::connect) itself
    /// fails.
    NoSocket(io::ErrorKind),
}

/// How many bytes the send window accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// At most this many bytes now; the rest is queued.
    pub bytes: usize,
    /// When the window reopens; `None`: never.
    pub reopens_after: Option<Nanos>,
}

impl Window {
    /// Takes everything.
    pub const OPEN: Self = Self { bytes: usize::MAX, reopens_after: None };
    /// Accepts nothing, forever: a peer that has stopped reading.
    pub const SHUT: Self = Self { bytes: 0, reopens_after: None };
}

#[derive(Debug)]
pub(super) enum Act {
    Deliver(Vec<u8>),
    Tell(u64, Vec<u8>),
    HalfClose,
    Reset,
}

/// Actions of a peer. Delays are relative to the call that received the script.
///
/// Bytes and the half-close keep their order over all calls of a connection, like TCP: a later
/// one waits for an earlier one.
#[derive(Debug, Default)]
pub struct Script {
    pub(super) acts: Vec<(Nanos, Act)>,
}

impl Script {
    /// Sends `bytes`, delivered in one piece.
    pub fn deliver(&mut self, after: Nanos, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.acts.push((after, Act::Deliver(bytes.to_vec())));
        }
    }

    /// Sends `bytes`, delivered in pieces of at most `size` bytes (partial reads).
    pub fn deliver_in_pieces(&mut self, after: Nanos, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size.max(1)) {
            self.deliver(after, piece);
        }
    }

    /// Sends a [message](Peer::told) to the peer of another connection, if it still exists.
    pub fn tell(&mut self, after: Nanos, connection: u64, bytes: &[u8]) {
        self.acts.push((after, Act::Tell(connection, bytes.to_vec())));
    }

    /// Appends another script, with the bytes of every delivery transformed by `seal`.
    pub fn append_sealed(&mut self, other: Self, mut seal: impl FnMut(&[u8]) -> Vec<u8>) {
        self.acts.extend(other.acts.into_iter().map(|(after, act)| match act {
            Act::Deliver(bytes) => (after, Act::Deliver(seal(&bytes))),
            act => (after, act),
        }));
    }

    /// Half-closes after everything sent before.
    pub fn half_close(&mut self, after: Nanos) {
        self.acts.push((after, Act::HalfClose));
    }

    /// Resets the connection at that instant; undelivered data is lost.
    pub fn reset(&mut self, after: Nanos) {
        self.acts.push((after, Act::Reset));
    }
}

/// The remote end of one simulated connection. Dropped when the connection closes or breaks.
pub trait Peer {
    /// Handles the connection attempt.
    fn connect(&mut self, now: Nanos) -> ConnectOutcome {
        let _ = now;
        ConnectOutcome::Made { after: 0 }
    }

    /// The connection is established; the peer may send first.
    fn connected(&mut self, now: Nanos, script: &mut Script) {
        let _ = (now, script);
    }

    /// How many of `offered` bytes the window accepts: asked at each send, and whenever the
    /// window reopens.
    fn window(&mut self, now: Nanos, offered: usize) -> Window {
        let _ = (now, offered);
        Window::OPEN
    }

    /// Receives bytes.
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script);

    /// Our side has half-closed.
    fn end_of_input(&mut self, now: Nanos, script: &mut Script) {
        let _ = (now, script);
    }

    /// Receives a [message](Script::tell) from the peer of another connection.
    fn told(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        let _ = (now, bytes, script);
    }
}

/// How an [`EchoPeer`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Reads and never replies.
    Mute,
    /// Half-closes.
    HalfClose,
    /// Resets the connection.
    Reset,
}

/// Behaviour of an [`EchoPeer`]. All delays are virtual and exact.
#[derive(Debug, Clone, Copy)]
pub struct EchoOptions {
    /// Result of connection attempts.
    pub connect: ConnectOutcome,
    /// Message size in bytes; `None`: what arrives together is one message.
    pub message: Option<usize>,
    /// Service time of a message.
    pub delay: Nanos,
    /// Maximum random extra service time, uniformly distributed.
    pub jitter: Nanos,
    /// Seed of the random service times.
    pub seed: u64,
    /// Serves messages one after another; otherwise those that arrive together are served in
    /// parallel.
    pub serial: bool,
    /// Replies arrive in pieces of at most this many bytes.
    pub piece: usize,
    /// Every n-th message (from 1) gets no reply.
    pub skip_every: Option<u64>,
    /// After this many messages the peer behaves this way.
    pub ending: Option<(u64, Ending)>,
}

impl EchoOptions {
    /// Connects at once and replies after `delay`.
    pub const fn after(delay: Nanos) -> Self {
        Self {
            connect: ConnectOutcome::Made { after: 0 },
            message: None,
            delay,
            jitter: 0,
            seed: 0,
            serial: false,
            piece: usize::MAX,
            skip_every: None,
            ending: None,
        }
    }
}

/// Echoes every byte that it receives.
#[derive(Debug)]
pub struct EchoPeer {
    options: EchoOptions,
    /// Complete messages received.
    received: u64,
    partial: Vec<u8>,
    /// When service of the last message ends.
    busy_until: Nanos,
    random: Random,
}

impl EchoPeer {
    /// The peer of one connection.
    pub fn new(options: EchoOptions) -> Self {
        Self {
            options,
            received: 0,
            partial: Vec::new(),
            busy_until: 0,
            random: Random::new(options.seed),
        }
    }

    fn serve(&mut self, now: Nanos, message: &[u8], script: &mut Script) {
        if self.has_ended() {
            return;
        }
        self.received += 1;
        let begin = if self.options.serial { now.max(self.busy_until) } else { now };
        self.busy_until =
            begin + self.options.delay + self.random.within(0..=self.options.jitter);
        let after = self.busy_until - now;
        if self.options.skip_every.is_none_or(|every| !self.received.is_multiple_of(every)) {
            script.deliver_in_pieces(after, message, self.options.piece);
        }
        match self.options.ending {
            Some((last, Ending::HalfClose)) if self.received == last => {
                script.half_close(after);
            }
            Some((last, Ending::Reset)) if self.received == last => script.reset(after),
            _ => {}
        }
    }

    fn has_ended(&self) -> bool {
        self.options.ending.is_some_and(|(last, _)| self.received >= last)
    }
}

impl Peer for EchoPeer {
    fn connect(&mut self, _now: Nanos) -> ConnectOutcome {
        self.options.connect
    }

    fn connected(&mut self, _now: Nanos, script: &mut Script) {
        match self.options.ending {
            Some((0, Ending::HalfClose)) => script.half_close(0),
            Some((0, Ending::Reset)) => script.reset(0),
            _ => {}
        }
    }

    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        let Some(size) = self.options.message else {
            self.serve(now, bytes, script);
            return;
        };
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let messages = partial.chunks_exact(size.max(1));
        self.partial = messages.remainder().to_vec();
        for message in messages {
            self.serve(now, message, script);
        }
    }

    fn end_of_input(&mut self, _now: Nanos, script: &mut Script) {
        // Waits for replies in flight, like all deliveries.
        if !self.has_ended() {
            script.half_close(0);
        }
    }
}
