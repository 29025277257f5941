//! Unsolicited output of a session (mail) and pauses of its input, both used by chat only.

use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;

use super::{HIGH_MARK, Phase, Session};
use crate::chat::Taken;
use crate::ending::Ending;
use crate::speaker::Speaker;

impl Session {
    /// Whether there can be output that the session learns of only through
    /// [`mail`](Self::mail).
    #[inline]
    pub(crate) fn gets_mail(&self) -> bool {
        matches!(self.speaker, Speaker::Chat(_))
    }

    /// From now on `waker` is called when there is new [`mail`](Self::mail).
    #[inline]
    pub(crate) fn wake_for_mail(&self, waker: &Waker) {
        if let Speaker::Chat(seat) = &self.speaker {
            seat.wake(waker);
        }
    }

    /// Takes mail, with `unsent` bytes of output queued. Must be called after every event and
    /// when woken, until it returns false. Afterwards `replies` holds what to send now. No mail
    /// is taken while much output is unsent.
    #[inline]
    pub(crate) fn mail(&mut self, now: Nanos, unsent: usize, replies: &mut Replies) -> bool {
        self.gets_mail() && self.take_mail(now, unsent, replies)
    }

    fn take_mail(&mut self, now: Nanos, unsent: usize, replies: &mut Replies) -> bool {
        replies.clear();
        let Speaker::Chat(seat) = &self.speaker else { return false };
        let served = matches!(self.phase, Phase::Serving | Phase::Draining(_) | Phase::Parting);
        if !served || self.is_handshaking() {
            return false;
        }
        let taken = seat.take(HIGH_MARK.saturating_sub(unsent), replies);
        if taken == Taken::Overflown {
            self.ends_by(Ending::SlowReader);
            self.phase = Phase::Closed;
            replies.count_error();
            return true;
        }
        if let Some(tls) = &mut self.tls {
            tls.encrypt(replies);
        }
        self.give_time_to_read(now);
        if self.phase == Phase::Parting && taken == Taken::All {
            self.end_output(replies);
        }
        if !replies.is_empty() {
            // Without output nothing was made progress with: a member that reads nothing stays idle.
            self.owe(now, replies);
        }
        !replies.is_empty()
    }

    /// Pauses the input of a fast sender, if slower readers must catch up.
    pub(super) fn give_time_to_read(&mut self, now: Nanos) {
        let Speaker::Chat(seat) = &self.speaker else { return };
        let heard = matches!(self.phase, Phase::Serving | Phase::Draining(_));
        let until = if heard { seat.waits_until(now) } else { None };
        if self.held_until > 0 {
            // A pause would have no effect.
            self.active_at = now;
            self.renew_message(now);
        }
        self.held_until = until.unwrap_or(0);
    }
}
