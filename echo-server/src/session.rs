//! A connection's life cycle, sans-I/O: [`Session`]. The server's driver, common to all
//! concurrency models, moves bytes and reports events; the session decides what to send and
//! what to do [next](Session::next).
//!
//! A session goes from serving to finishing (flush pending replies, then shut down the write
//! side) to lingering (discard further input, so that unread data does not make the kernel
//! reset the connection and destroy the last reply, RFC 9293 3.6.1) to closed. No clock and no
//! socket: instants are passed in.

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

/// A session with this much unsent output stops reading, so that a peer that does not read
/// can't make it queue without bound.
pub(crate) const HIGH_MARK: usize = 64 * 1024;

/// It resumes reading at this much unsent output.
pub(crate) const LOW_MARK: usize = 32 * 1024;

/// How long input is discarded after the last reply before the socket is closed, provided the
/// peer has acknowledged all output by then.
pub(crate) const LINGER: Nanos = SECOND;

/// No deadline.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// The timeouts of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Without a byte in either direction; [`NEVER`] to disable.
    pub idle: Nanos,
    /// Without a byte of output accepted.
    pub write: Nanos,
}

/// What to do with the socket next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Next {
    /// Read input.
    Read,
    /// Wait until more output was accepted.
    Hold,
    /// Shut down the write side, then read input.
    HalfClose,
    /// Close the socket.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Stopping: serving this many bytes more, which had already arrived.
    Draining(usize),
    /// No more replies; mail that was addressed earlier is pending.
    Parting,
    /// No more replies; some output is not sent yet.
    Finishing,
    /// All is sent and the write side is shut down.
    Lingering {
        until: Nanos,
    },
    Closed,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Session {
    speaker: Speaker,
    /// TLS around the responder's bytes; boxed, since most sessions have none.
    tls: Option<Box<Secured>>,
    timeouts: Timeouts,
    phase: Phase,
    /// The peer has half-closed, so a close destroys nothing.
    input_ended: bool,
    holding: bool,
    /// Input is not read before this time, so that other members can catch up; 0 if it is.
    held_until: Nanos,
    /// The last time bytes were received or sent.
    active_at: Nanos,
    /// The last time output was accepted, became pending, or was all sent.
    sent_at: Nanos,
    /// Total output so far, and the part that was sent, in bytes.
    replied: u64,
    taken: u64,
}

impl Session {
    /// A session of a newly accepted connection.
    pub(crate) fn new(speaker: impl Into<Speaker>, timeouts: Timeouts, now: Nanos) -> Self {
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

    /// A session of a refused connection: the error was sent and the write side is shut down.
    /// Further input is discarded, so that it can't destroy the error reply.
    pub(crate) fn turned_away(now: Nanos) -> Self {
        let nobody = ProtocolKind::Raw.responder(0, SystemTime::now);
        let timeouts = Timeouts { idle: LINGER, write: LINGER };
        let phase = Phase::Lingering { until: now.saturating_add(LINGER) };
        Self { phase, ..Self::new(nobody, timeouts, now) }
    }

    /// Adds TLS, whose handshake may last until `until`. From here on all bytes passed in and
    /// out are those on the wire.
    #[must_use]
    pub(crate) fn inside_tls(
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
                warn!(%fault, "can't start TLS");
                self.phase = Phase::Closed;
            }
        }
        self
    }

    /// Handles received bytes. Afterwards `replies` holds exactly what to send now.
    pub(crate) fn received(&mut self, now: Nanos, input: &[u8], replies: &mut Replies) {
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

    /// Handles the peer's half-close. Afterwards `replies` holds what to send now.
    pub(crate) fn end_of_input(&mut self, now: Nanos, replies: &mut Replies) {
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

    /// Stops replying after what is in `replies` and the pending mail.
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

    /// Starts a graceful stop: input that has arrived is still served, nothing after it.
    /// Afterwards `replies` holds what to send now.
    ///
    /// An incomplete message gets no reply: its echo would be wrong.
    pub(crate) fn stop(&mut self, now: Nanos, unread: Unread, replies: &mut Replies) {
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
            // The remaining input is finite and its end is the session's end.
            Unread { ended: true, .. } => self.phase = Phase::Draining(usize::MAX),
        }
    }

    /// What to do next, with `unsent` bytes of output queued. Must be called after every event,
    /// once the replies were passed on.
    pub(crate) fn next(&mut self, now: Nanos, unsent: usize) -> Next {
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

    /// When [`expire`](Self::expire) is due currently; [`NEVER`] for none. It moves with every
    /// byte, so it must be checked again before use.
    pub(crate) fn deadline(&self) -> Nanos {
        match self.phase {
            Phase::Closed => 0,
            Phase::Lingering { until } => until,
            Phase::Serving | Phase::Draining(_) if self.is_handshaking() => {
                let until = self.tls.as_ref().map_or(NEVER, |tls| tls.handshake_until());
                // Never later than the deadline after the handshake: models are not notified of
                // a deadline that becomes earlier.
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

    /// Whether the peer violated the TLS protocol.
    fn has_failed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_failed())
    }

    /// Handles the deadline, if it has passed; [`next`](Self::next) returns the consequence.
    /// Afterwards `replies` holds what to send now.
    ///
    /// While lingering, `end_acknowledged` is queried for whether the peer has acknowledged all
    /// output: until then a close with unread input would destroy what a slow reader has left
    /// in our send buffer.
    pub(crate) fn expire(
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
            // The other members had their time.
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

    /// Whether a close now would abort the connection: it is being served, or output is
    /// pending.
    pub(crate) fn is_owed(&self) -> bool {
        !matches!(self.phase, Phase::Lingering { .. } | Phase::Closed)
    }
}

#[cfg(test)]
mod tests;
