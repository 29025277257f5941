//! One connection's life without any I/O: [`Session`]. The server's driver, the same for every
//! concurrency model, moves bytes and tells what happened; the session says what to send and
//! what to do [next](Session::next).
//!
//! A session goes from serving to finishing (flush what is owed, then shut down the write
//! side) to lingering (discard what still arrives, so that unread input can't make the
//! kernel destroy the last reply, RFC 9293 3.6.1) to closed. It refuses to look at a clock
//! or a socket; every instant is handed in.

use std::sync::Arc;
use std::time::SystemTime;

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::tls::{Fault, Transform};
use echo_net::unread::Unread;
use echo_proto::{Flow, ProtocolKind, Replies, Respond};
use tracing::warn;

use crate::counters::TlsCounters;
use crate::speaker::Speaker;

mod mail;
mod secured;

use secured::Secured;

/// Above this much unsent output a session stops reading, so that a peer that does not read
/// can't make it queue without bound.
pub const HIGH_MARK: usize = 64 * 1024;

/// At this much unsent output it reads again.
pub const LOW_MARK: usize = 32 * 1024;

/// How long input is discarded after the last reply before the socket is closed anyway,
/// if the peer's kernel has all of the output by then.
pub const LINGER: Nanos = SECOND;

/// No deadline.
pub const NEVER: Nanos = Nanos::MAX;

/// How long a session waits for its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Without a byte either way; [`NEVER`] for ever.
    pub idle: Nanos,
    /// Without a byte of the output being taken.
    pub write: Nanos,
}

/// What is to be done with the socket now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Read what comes.
    Read,
    /// Do not read before more of the output is taken.
    Hold,
    /// Shut down the write side, then read what comes.
    HalfClose,
    /// Close the socket.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Told to stop: serving this many bytes more, which had arrived before.
    Draining(usize),
    /// Nothing is answered any more, but there is mail that was addressed before.
    Parting,
    /// Nothing is answered any more, but some of the output is not sent yet.
    Finishing,
    /// All is sent and the write side is shut down.
    Lingering {
        until: Nanos,
    },
    Closed,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Session {
    speaker: Speaker,
    /// What the responder's bytes are inside of; in a box, since most sessions have none.
    tls: Option<Box<Secured>>,
    timeouts: Timeouts,
    phase: Phase,
    /// The peer has half-closed: a close destroys nothing.
    input_ended: bool,
    holding: bool,
    /// It is not read before, so that others can take what it has said to them; 0 if it is.
    held_until: Nanos,
    /// The last instant at which bytes arrived or were taken.
    active_at: Nanos,
    /// The last instant at which output was taken, or began to be owed, or was all sent.
    sent_at: Nanos,
    /// Output so far, and how much of it was taken, in bytes.
    replied: u64,
    taken: u64,
}

impl Session {
    /// A connection that was just accepted.
    pub fn new(speaker: impl Into<Speaker>, timeouts: Timeouts, now: Nanos) -> Self {
        Self {
            speaker: speaker.into(),
            tls: None,
            timeouts,
            phase: Phase::Serving,
            input_ended: false,
            holding: false,
            held_until: 0,
            active_at: now,
            sent_at: now,
            replied: 0,
            taken: 0,
        }
    }

    /// A connection that was turned away: all is said to it, and its write side is shut down.
    /// What still arrives is discarded, so that it can't destroy what was said.
    pub fn turned_away(now: Nanos) -> Self {
        let nobody = ProtocolKind::Raw.responder(0, SystemTime::now);
        let timeouts = Timeouts { idle: LINGER, write: LINGER };
        let phase = Phase::Lingering { until: now.saturating_add(LINGER) };
        Self { phase, ..Self::new(nobody, timeouts, now) }
    }

    /// The same inside TLS, whose handshake may last until `until`. From here on all bytes
    /// that are told and handed out are those on the wire.
    #[must_use]
    pub fn inside_tls(
        mut self,
        transform: Result<Transform, Fault>,
        until: Nanos,
        counters: Arc<TlsCounters>,
    ) -> Self {
        match transform {
            Ok(transform) => {
                self.tls = Some(Box::new(Secured::new(transform, until, counters)));
            }
            Err(fault) => {
                warn!(%fault, "can't begin a TLS connection");
                self.phase = Phase::Closed;
            }
        }
        self
    }

    /// Bytes have arrived. Afterwards `replies` holds what is to be sent now, and only that.
    pub fn received(&mut self, now: Nanos, input: &[u8], replies: &mut Replies) {
        replies.clear();
        self.active_at = now;
        let unread = match self.phase {
            Phase::Serving => usize::MAX,
            Phase::Draining(unread) => unread,
            Phase::Parting | Phase::Finishing | Phase::Lingering { .. } | Phase::Closed => {
                return;
            }
        };
        let flow = match &mut self.tls {
            None => self.speaker.receive(input, replies),
            Some(tls) => tls.receive(&mut self.speaker, input, replies),
        };
        if flow == Flow::Finish || input.len() >= unread {
            self.finish(replies);
        } else if let Phase::Draining(unread) = &mut self.phase {
            *unread -= input.len();
        }
        self.owe(now, replies);
    }

    /// The peer has half-closed. Afterwards `replies` holds what is to be sent now.
    pub fn end_of_input(&mut self, now: Nanos, replies: &mut Replies) {
        replies.clear();
        self.active_at = now;
        self.input_ended = true;
        match self.phase {
            Phase::Serving | Phase::Draining(_) => {
                match &mut self.tls {
                    None => self.speaker.end_of_input(replies),
                    Some(tls) => tls.end_of_input(replies),
                }
                self.finish(replies);
                self.owe(now, replies);
            }
            Phase::Parting | Phase::Finishing | Phase::Closed => {}
            Phase::Lingering { .. } => self.phase = Phase::Closed,
        }
    }

    /// Nothing is answered after what `replies` holds, and the mail that waits.
    fn finish(&mut self, replies: &mut Replies) {
        self.held_until = 0;
        match &mut self.speaker {
            Speaker::Chat(seat) => {
                seat.leave();
                self.phase = Phase::Parting;
            }
            Speaker::Echo(_) => self.end_output(replies),
        }
    }

    fn end_output(&mut self, replies: &mut Replies) {
        self.phase = Phase::Finishing;
        if let Some(tls) = &mut self.tls {
            tls.close(replies);
        }
    }

    fn owe(&mut self, now: Nanos, replies: &Replies) {
        if self.replied == self.taken {
            self.sent_at = now;
        }
        self.replied += replies.bytes().len() as u64;
    }

    /// Asked to stop: what has arrived is still served, nothing after it. Afterwards
    /// `replies` holds what is to be sent now.
    ///
    /// An unfinished message is not answered: its echo would be a wrong one.
    pub fn stop(&mut self, now: Nanos, unread: Unread, replies: &mut Replies) {
        replies.clear();
        if let Speaker::Chat(seat) = &self.speaker {
            seat.close_room();
        }
        if self.phase != Phase::Serving {
            return;
        }
        match unread {
            Unread { bytes: 0, ended: false } => {
                self.finish(replies);
                self.owe(now, replies);
            }
            Unread { bytes, ended: false } => self.phase = Phase::Draining(bytes),
            // The input is finite and its end is the session's end.
            Unread { ended: true, .. } => self.phase = Phase::Draining(usize::MAX),
        }
    }

    /// What to do, when `unsent` bytes of the output are not taken yet. To be asked after
    /// everything that was told, once the replies were handed on.
    pub fn next(&mut self, now: Nanos, unsent: usize) -> Next {
        let taken = self.replied.saturating_sub(unsent as u64);
        if taken > self.taken {
            self.taken = taken;
            self.active_at = now;
            self.sent_at = now;
        }
        match self.phase {
            Phase::Closed => Next::Close,
            Phase::Finishing if unsent == 0 && self.input_ended => {
                self.phase = Phase::Closed;
                Next::Close
            }
            Phase::Finishing if unsent == 0 => {
                let linger = if self.has_failed() { LINGER / 2 } else { LINGER };
                self.phase = Phase::Lingering { until: now.saturating_add(linger) };
                self.sent_at = now;
                Next::HalfClose
            }
            Phase::Parting | Phase::Finishing if self.input_ended => Next::Hold,
            Phase::Parting | Phase::Finishing | Phase::Lingering { .. } => Next::Read,
            Phase::Serving | Phase::Draining(_) => {
                self.holding = unsent > if self.holding { LOW_MARK } else { HIGH_MARK };
                if self.holding || now < self.held_until { Next::Hold } else { Next::Read }
            }
        }
    }

    /// The instant at which [`expire`](Self::expire) is due, as things stand; [`NEVER`] for
    /// none. It moves with every byte, so it is to be asked again before it is believed.
    pub fn deadline(&self) -> Nanos {
        match self.phase {
            Phase::Closed => 0,
            Phase::Lingering { until } => until,
            Phase::Serving | Phase::Draining(_) if self.is_handshaking() => {
                let until = self.tls.as_ref().map_or(NEVER, |tls| tls.handshake_until());
                // Never later than what holds after the handshake: whoever waits is not told
                // of a deadline that has become sooner.
                until.min(self.idle_until())
            }
            Phase::Serving | Phase::Draining(_) if self.held_until > 0 => self.held_until,
            _ if self.replied > self.taken => self.sent_at.saturating_add(self.timeouts.write),
            _ => self.idle_until(),
        }
    }

    fn idle_until(&self) -> Nanos {
        self.active_at.saturating_add(self.timeouts.idle)
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether the peer broke the rules of TLS.
    fn has_failed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_failed())
    }

    /// Gives up waiting if the deadline has passed; then [`next`](Self::next) tells how.
    /// Afterwards `replies` holds what is to be sent now.
    ///
    /// While lingering, `end_acknowledged` is asked whether the peer's kernel has all of
    /// the output: until then a close with unread input would destroy what a slow reader
    /// has left in our kernel.
    pub fn expire(
        &mut self,
        now: Nanos,
        replies: &mut Replies,
        end_acknowledged: impl FnOnce() -> bool,
    ) {
        replies.clear();
        if now < self.deadline() {
            return;
        }
        if self.held_until > 0 {
            // The others had their time.
            self.give_time_to_read(now);
            return;
        }
        if let Phase::Lingering { until } = &mut self.phase
            && now < self.sent_at.saturating_add(self.timeouts.write)
            && !end_acknowledged()
        {
            *until = now.saturating_add(LINGER / 4);
            return;
        }
        match (self.phase, &mut self.tls) {
            (Phase::Serving | Phase::Draining(_), Some(tls)) if tls.is_handshaking() => {
                tls.time_out(replies);
                self.phase = Phase::Closed;
            }
            // An idle peer gets a graceful close, and time to see it.
            (Phase::Serving | Phase::Draining(_), _) if self.replied == self.taken => {
                self.finish(replies);
                self.owe(now, replies);
            }
            _ => self.phase = Phase::Closed,
        }
    }

    /// Whether a close now would cut the connection short: it is being served, or some of
    /// its output is not sent.
    pub fn is_owed(&self) -> bool {
        !matches!(self.phase, Phase::Lingering { .. } | Phase::Closed)
    }
}

#[cfg(test)]
mod tests;
