//! What others have to say to a session's peer, unasked, and how long that peer is not heard
//! because others are to read first. Only a chat has either.

use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;

use super::{HIGH_MARK, Phase, Session};
use crate::chat::Taken;
use crate::speaker::Speaker;

impl Session {
    /// Whether others can have something to say to this peer, of which the session knows
    /// only once it looks for [`mail`](Self::mail).
    #[inline]
    pub fn gets_mail(&self) -> bool {
        matches!(self.speaker, Speaker::Chat(_))
    }

    /// From now on `waker` is used when there is new [`mail`](Self::mail).
    #[inline]
    pub fn wake_for_mail(&self, waker: &Waker) {
        if let Speaker::Chat(seat) = &self.speaker {
            seat.wake(waker);
        }
    }

    /// Looks for mail, when `unsent` bytes of the output are not taken yet: to be asked
    /// after everything that was told and when woken, until there is none. Afterwards
    /// `replies` holds what is to be sent now. No mail is taken while much is unsent.
    #[inline]
    pub fn mail(&mut self, now: Nanos, unsent: usize, replies: &mut Replies) -> bool {
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
        self.owe(now, replies);
        !replies.is_empty()
    }

    /// Who has said much is not read for a moment, if others are to read first.
    pub(super) fn give_time_to_read(&mut self, now: Nanos) {
        let Speaker::Chat(seat) = &self.speaker else { return };
        let heard = matches!(self.phase, Phase::Serving | Phase::Draining(_));
        let until = if heard { seat.waits_until(now) } else { None };
        if self.held_until > 0 {
            // It could not do anything.
            self.active_at = now;
        }
        self.held_until = until.unwrap_or(0);
    }
}
