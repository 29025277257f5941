//! A connection's life cycle, sans-I/O: [`Session`]. The server's driver, common to all
//! concurrency models, moves bytes and reports events; the session decides what to send and
//! what to do [next](Session::next).
//!
//! A session goes from serving to finishing (flush pending replies, then shut down the write
//! side) to lingering (discard further input, so that unread data does not make the kernel
//! reset the connection and destroy the last reply, RFC 9293 3.6.1) to closed. What happens at a
//! deadline is in [`expiry`], at a stop in [`stopping`]. No clock and no socket: instants are
//! passed in.

use std::sync::Arc;
use std::time::SystemTime;

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_net::tls::{Fault, Transform};
use echo_proto::{Flow, ProtocolKind, Replies, Respond};
use tracing::warn;

use crate::counters::TlsCounters;
use crate::ending::Ending;
use crate::handshakes::{self, HandshakePlace};
use crate::limits::Limit;
use crate::speaker::Speaker;

mod ended;
mod expiry;
mod mail;
mod message_clock;
mod progress;
mod secured;
mod stopping;

use message_clock::MessageClock;
pub(crate) use progress::{Acknowledged, Progress};
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
    /// Without a byte of output taken by the peer.
    pub write: Nanos,
    /// From the first byte of a message to its end; [`NEVER`] to disable.
    pub message: Nanos,
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
    /// Stopped in a stream without messages: whether the peer goes on sending shows whether the
    /// stop ends a running transfer.
    Settling {
        until: Nanos,
    },
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
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a connection")]
pub(crate) struct Session {
    speaker: Speaker,
    /// TLS around the responder's bytes; boxed, since most sessions have none.
    tls: Option<Box<Secured>>,
    timeouts: Timeouts,
    phase: Phase,
    /// Why the session does not serve any more.
    ending: Option<Ending>,
    /// The peer has half-closed, so a close destroys nothing.
    input_ended: bool,
    holding: bool,
    /// Input is not read before this time, so that other members can catch up; 0 if it is.
    held_until: Nanos,
    /// The last time bytes were received or sent.
    active_at: Nanos,
    /// The last look at the handshake's place.
    looked_at: Nanos,
    /// Whether the peer takes the output.
    progress: Progress,
    /// Since when the current message has been unfinished.
    message: MessageClock,
    /// A stop was asked for.
    stopping: bool,
    /// Input arrived after it that the peer expects to be echoed.
    unanswered: bool,
    /// Why the server ends the connection by itself.
    ended_by: Option<Limit>,
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
            ending: None,
            input_ended: false,
            holding: false,
            held_until: 0,
            active_at: now,
            looked_at: now,
            progress: Progress::new(now),
            message: MessageClock::new(),
            stopping: false,
            unanswered: false,
            ended_by: None,
            replied: 0,
            taken: 0,
        }
    }

    /// A session of a refused connection: the error was sent and the write side is shut down.
    /// Further input is discarded, so that it can't destroy the error reply.
    pub(crate) fn turned_away(now: Nanos) -> Self {
        let nobody = ProtocolKind::Raw.responder(0, SystemTime::now);
        let timeouts = Timeouts { idle: LINGER, write: LINGER, message: NEVER };
        let phase = Phase::Lingering { until: now.saturating_add(LINGER) };
        Self { phase, ..Self::new(nobody, timeouts, now) }
    }

    /// Adds TLS, whose handshake has a `place` and may last until `until`. From here on all
    /// bytes passed in and out are those on the wire.
    #[must_use]
    pub(crate) fn inside_tls(
        mut self,
        transform: Result<Transform, Fault>,
        until: Nanos,
        place: HandshakePlace,
        counters: Arc<TlsCounters>,
    ) -> Self {
        match transform {
            Ok(transform) => {
                self.tls = Some(Box::new(Secured::new(transform, until, place, counters)));
            }
            Err(fault) => {
                warn!(%fault, "can't start TLS");
                self.ends_by(Ending::Tls);
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
            _ => return self.discard(now, input),
        };
        let (flow, received) = match &mut self.tls {
            None => (self.speaker.receive(input, replies), input.len()),
            Some(tls) => tls.receive(now, &mut self.speaker, input, replies),
        };
        self.message.received(now, received, self.speaker.unfinished());
        if flow == Flow::Finish {
            self.ends_by(self.finished_by(replies));
            self.finish(replies);
        } else if input.len() >= unread {
            self.conclude(now, replies);
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
                self.ends_by(if self.has_failed() { Ending::Tls } else { Ending::PeerClosed });
                self.finish(replies);
                self.owe(now, replies);
            }
            Phase::Settling { .. } if !self.unanswered => {
                self.finish(replies);
                self.owe(now, replies);
            }
            Phase::Settling { .. } | Phase::Parting | Phase::Finishing | Phase::Closed => {}
            Phase::Lingering { .. } => self.close(),
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
            self.progress.made(now);
        }
        self.replied += replies.bytes().len() as u64;
    }

    /// What to do next, with `unsent` bytes of output queued. Must be called after every event,
    /// once the replies were passed on.
    pub(crate) fn next(&mut self, now: Nanos, unsent: usize) -> Next {
        let taken = self.replied.saturating_sub(unsent as u64);
        if taken > self.taken {
            self.taken = taken;
            self.active_at = now;
            self.progress.made(now);
        }
        match self.phase {
            Phase::Closed => Next::Close,
            Phase::Finishing if unsent == 0 && self.input_ended => {
                self.close();
                Next::Close
            }
            Phase::Finishing if unsent == 0 => {
                let linger = if self.has_failed() { LINGER / 2 } else { LINGER };
                self.phase = Phase::Lingering { until: now.saturating_add(linger) };
                self.progress.made(now);
                Next::HalfClose
            }
            Phase::Settling { .. } | Phase::Parting | Phase::Finishing if self.input_ended => {
                Next::Hold
            }
            Phase::Settling { .. }
            | Phase::Parting
            | Phase::Finishing
            | Phase::Lingering { .. } => Next::Read,
            Phase::Serving | Phase::Draining(_) => {
                let holds = unsent > if self.holding { LOW_MARK } else { HIGH_MARK };
                if self.holding && !holds {
                    self.renew_message(now);
                }
                self.holding = holds;
                if self.holding || now < self.held_until { Next::Hold } else { Next::Read }
            }
        }
    }

    /// When [`expire`](Self::expire) is due currently; [`NEVER`] for none. It moves with every
    /// byte, so it must be checked again before use.
    pub(crate) fn deadline(&self) -> Nanos {
        match self.phase {
            Phase::Closed => 0,
            Phase::Lingering { until } | Phase::Settling { until } => until,
            Phase::Serving | Phase::Draining(_) if self.is_handshaking() => {
                let until = self.tls.as_ref().map_or(NEVER, |tls| tls.handshake_until());
                let look = self.looked_at.saturating_add(handshakes::LOOK);
                until.min(look).min(self.idle_until())
            }
            Phase::Serving | Phase::Draining(_) if self.held_until > 0 => self.held_until,
            Phase::Serving | Phase::Draining(_) => {
                self.output_until().min(self.message_until())
            }
            Phase::Parting | Phase::Finishing => self.output_until(),
        }
    }

    /// When to look whether the peer takes output, or without any, when it has been idle.
    #[inline]
    fn output_until(&self) -> Nanos {
        if self.is_owing() {
            self.progress.look_at(self.timeouts.write)
        } else {
            self.idle_until()
        }
    }

    /// When the current message, or the TLS record with a part of it, is late. Not while the
    /// peer's input is not read.
    #[inline]
    fn message_until(&self) -> Nanos {
        if self.holding {
            return NEVER;
        }
        let timeout = self.timeouts.message;
        let record = self.tls.as_ref().map_or(NEVER, |tls| tls.late_at(timeout));
        self.message.late_at(timeout).min(record)
    }

    /// The peer's input was not read until now.
    fn renew_message(&mut self, now: Nanos) {
        self.message.renew(now);
        if let Some(tls) = &mut self.tls {
            tls.record().renew(now);
        }
    }

    fn idle_until(&self) -> Nanos {
        self.active_at.saturating_add(self.timeouts.idle)
    }

    /// Whether output is queued that the kernel did not accept.
    #[inline]
    fn is_owing(&self) -> bool {
        self.replied > self.taken
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether the peer violated the TLS protocol.
    fn has_failed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_failed())
    }

    /// Bytes of an incomplete message, and of an incomplete TLS record.
    #[inline]
    pub(crate) fn unfinished(&self) -> usize {
        let record = self.tls.as_ref().map_or(0, |tls| tls.unfinished_record());
        self.message.bytes() + record
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        if self.unanswered {
            self.ended_by = Some(Limit::Stop);
        }
    }

    /// Whether a close now would abort the connection: it is being served, or output is
    /// pending.
    pub(crate) fn is_owed(&self) -> bool {
        !matches!(self.phase, Phase::Lingering { .. } | Phase::Closed)
    }

    /// Whether all output was passed to the kernel, which may still have to send it.
    pub(crate) fn is_lingering(&self) -> bool {
        matches!(self.phase, Phase::Lingering { .. })
    }
}

#[cfg(test)]
mod tests;
