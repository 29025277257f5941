//! The far ends of simulated connections: [`Peer`], and [`EchoPeer`], which sends back what
//! it received, late, in pieces or not at all. Peers that know a protocol belong to the
//! tests of the crates that need them.

use std::io;

use crate::Nanos;

/// How an attempt to connect ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// The connection is made.
    Made {
        /// This long after the attempt.
        after: Nanos,
    },
    /// The connection is not made: refused, unreachable, timed out.
    Failed {
        /// This long after the attempt.
        after: Nanos,
        /// The reason.
        kind: io::ErrorKind,
    },
    /// Nobody answers, ever.
    Unanswered,
    /// There is no socket for it: [`Reactor::connect`](crate::reactor::Reactor::connect)
    /// itself fails.
    NoSocket(io::ErrorKind),
}

/// What the kernel takes of the bytes that it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// At most so many bytes now; the rest is queued.
    pub bytes: usize,
    /// When the kernel asks the peer again for the rest; `None`: never.
    pub reopens_after: Option<Nanos>,
}

impl Window {
    /// Takes everything.
    pub const OPEN: Self = Self { bytes: usize::MAX, reopens_after: None };
    /// Takes nothing, for ever: a peer that has stopped reading.
    pub const SHUT: Self = Self { bytes: 0, reopens_after: None };
}

#[derive(Debug)]
pub(super) enum Act {
    Deliver(Vec<u8>),
    Tell(u64, Vec<u8>),
    HalfClose,
    Reset,
}

/// What a peer is going to do. Delays count from the call that was given the script.
///
/// Bytes and the half-close keep the order in which they were put here, over all calls of a
/// connection: like TCP, a later one waits for an earlier one.
#[derive(Debug, Default)]
pub struct Script {
    pub(super) acts: Vec<(Nanos, Act)>,
}

impl Script {
    /// Sends `bytes`, which arrive in one piece.
    pub fn deliver(&mut self, after: Nanos, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.acts.push((after, Act::Deliver(bytes.to_vec())));
        }
    }

    /// Sends `bytes`, which arrive in pieces of at most `size` bytes: partial reads.
    pub fn deliver_in_pieces(&mut self, after: Nanos, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size.max(1)) {
            self.deliver(after, piece);
        }
    }

    /// Has the peer of another connection, named by its number, [told](Peer::told) of
    /// something, if it still exists.
    pub fn tell(&mut self, after: Nanos, connection: u64, bytes: &[u8]) {
        self.acts.push((after, Act::Tell(connection, bytes.to_vec())));
    }

    /// Adds what another script wants, with every delivery changed by `seal`, in order.
    pub fn append_sealed(&mut self, other: Self, mut seal: impl FnMut(&[u8]) -> Vec<u8>) {
        self.acts.extend(other.acts.into_iter().map(|(after, act)| match act {
            Act::Deliver(bytes) => (after, Act::Deliver(seal(&bytes))),
            act => (after, act),
        }));
    }

    /// Sends nothing more after what was sent.
    pub fn half_close(&mut self, after: Nanos) {
        self.acts.push((after, Act::HalfClose));
    }

    /// Breaks the connection at that instant; what has not arrived by then is lost.
    pub fn reset(&mut self, after: Nanos) {
        self.acts.push((after, Act::Reset));
    }
}

/// The far end of one simulated connection. Dropped when the connection is closed or breaks.
pub trait Peer {
    /// Answers the attempt to connect.
    fn connect(&mut self, now: Nanos) -> ConnectOutcome {
        let _ = now;
        ConnectOutcome::Made { after: 0 }
    }

    /// The connection is made; a peer may speak first.
    fn connected(&mut self, now: Nanos, script: &mut Script) {
        let _ = (now, script);
    }

    /// How much the kernel takes when `offered` bytes are to be sent: at each send, and
    /// again each time that the window reopens.
    fn window(&mut self, now: Nanos, offered: usize) -> Window {
        let _ = (now, offered);
        Window::OPEN
    }

    /// Bytes that the kernel took.
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script);

    /// The near end has half-closed.
    fn end_of_input(&mut self, now: Nanos, script: &mut Script) {
        let _ = (now, script);
    }

    /// The peer of another connection [tells](Script::tell) this one something.
    fn told(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        let _ = (now, bytes, script);
    }
}

/// What an [`EchoPeer`] does instead of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Reads, and answers nothing.
    Mute,
    /// Half-closes.
    HalfClose,
    /// Resets the connection.
    Reset,
}

/// How an [`EchoPeer`] goes about it. All delays are virtual, and exact.
#[derive(Debug, Clone, Copy)]
pub struct EchoOptions {
    /// How an attempt to connect ends.
    pub connect: ConnectOutcome,
    /// Bytes of a message; `None`: what arrives together is one message.
    pub message: Option<usize>,
    /// Service time of a message.
    pub delay: Nanos,
    /// Up to so much more service time, evenly distributed.
    pub jitter: Nanos,
    /// Of the random service times: equal seeds give equal times.
    pub seed: u64,
    /// Serves one message after the other; else all that came together at the same time.
    pub serial: bool,
    /// Replies arrive in pieces of at most so many bytes.
    pub piece: usize,
    /// Every n-th message (counted from 1) gets no reply.
    pub skip_every: Option<u64>,
    /// After so many messages the peer goes on in this way.
    pub ending: Option<(u64, Ending)>,
}

impl EchoOptions {
    /// Connects at once and answers after `delay` whatever arrives.
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

/// Sends back every byte that it receives.
#[derive(Debug)]
pub struct EchoPeer {
    options: EchoOptions,
    /// Messages received whole.
    received: u64,
    partial: Vec<u8>,
    /// When the service of the last message ends.
    busy_until: Nanos,
    random: u64,
}

impl EchoPeer {
    /// The peer of one connection.
    pub fn new(options: EchoOptions) -> Self {
        Self { options, received: 0, partial: Vec::new(), busy_until: 0, random: options.seed }
    }

    fn serve(&mut self, now: Nanos, message: &[u8], script: &mut Script) {
        if self.has_ended() {
            return;
        }
        self.received += 1;
        let begin = if self.options.serial { now.max(self.busy_until) } else { now };
        self.busy_until = begin + self.options.delay + self.draw_jitter();
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

    fn draw_jitter(&mut self) -> Nanos {
        // SplitMix64 (Steele, Lea and Flood 2014): enough for a delay, and needs no crate.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed % self.options.jitter.saturating_add(1).max(1)
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
        // Waits for the replies that are still under way, as all that arrives does.
        if !self.has_ended() {
            script.half_close(0);
        }
    }
}
