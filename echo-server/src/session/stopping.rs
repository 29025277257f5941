//! A graceful stop of a session: what had arrived is answered, nothing after it.
//!
//! Messages show a peer which of them were answered. Without them, as in RFC 862, the end of the
//! output looks as if the transfer were complete. So a session in such a stream
//! [settles](Phase::Settling) first: if the peer goes on sending, or has sent more than was
//! echoed, the connection ends with a reset, once the peer has what was echoed.

use echo_net::Nanos;
use echo_net::unread::Unread;
use echo_proto::Replies;

use super::{LINGER, Phase, Session};
use crate::ending::Ending;
use crate::speaker::Speaker;

/// How long a peer must be silent before its transfer counts as complete: longer than a lost
/// segment takes to be sent again (RFC 6298; Linux waits for 200 ms at least).
pub(super) const SETTLE: Nanos = LINGER;

/// A peer that was silent for this long is not in the middle of a transfer.
const QUIET: Nanos = LINGER;

impl Session {
    /// Starts a graceful stop: input that has arrived is still served, nothing after it.
    /// Afterwards `replies` holds what to send now.
    ///
    /// An incomplete message gets no reply: its echo would be wrong.
    pub(crate) fn stop(&mut self, now: Nanos, unread: Unread, replies: &mut Replies) {
        replies.clear();
        self.stopping = true;
        if let Speaker::Chat(seat) = &self.speaker {
            seat.close_room();
        }
        if self.phase != Phase::Serving {
            return;
        }
        self.ends_by(Ending::Stopped);
        match unread {
            Unread { bytes: 0, ended: false } => {
                self.conclude(now, replies);
                self.owe(now, replies);
            }
            Unread { bytes, ended: false } => self.phase = Phase::Draining(bytes),
            // The remaining input is finite and its end is the session's end.
            Unread { ended: true, .. } => self.phase = Phase::Draining(usize::MAX),
        }
    }

    /// Everything that had arrived at the stop is answered.
    pub(super) fn conclude(&mut self, now: Nanos, replies: &mut Replies) {
        let is_quiet = now >= self.active_at.saturating_add(QUIET);
        if self.speaker.has_messages() || is_quiet || self.is_handshaking() {
            self.finish(replies);
        } else {
            self.phase = Phase::Settling { until: now.saturating_add(SETTLE) };
        }
    }

    /// Input that arrived after the end.
    pub(super) fn discard(&mut self, now: Nanos, input: &[u8]) {
        if !self.stopping || self.speaker.has_messages() {
            return;
        }
        match (self.phase, &mut self.tls) {
            (Phase::Settling { .. }, Some(tls)) => self.unanswered |= tls.discard(input),
            (Phase::Settling { .. } | Phase::Finishing | Phase::Lingering { .. }, None) => {
                self.unanswered |= !input.is_empty();
            }
            // After our close_notify the peer sends its own.
            _ => {}
        }
        if let Phase::Settling { until } = &mut self.phase
            && self.unanswered
        {
            // There is nothing more to learn: the connection ends once the peer has what was
            // echoed.
            *until = (*until).min(now.saturating_add(LINGER / 4));
        }
    }
}
