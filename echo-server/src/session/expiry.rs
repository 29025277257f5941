//! What a session does when a deadline has passed.

use echo_net::Nanos;
use echo_proto::{Replies, Respond as _};

use super::{Acknowledged, LINGER, Phase, Session};
use crate::ending::Ending;
use crate::limits::Limit;

impl Session {
    /// Handles the deadline, if it has passed; [`next`](Self::next) returns the consequence.
    /// Afterwards `replies` holds what to send now.
    ///
    /// Where output is pending, `acknowledged` is queried for what the peer has of it: a reader
    /// is judged by that, however slow it is, and a close with unread input would destroy what a
    /// slow reader has left in our send buffer.
    pub(crate) fn expire(
        &mut self,
        now: Nanos,
        replies: &mut Replies,
        acknowledged: impl FnOnce() -> Acknowledged,
    ) {
        replies.clear();
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::Closed => {}
            Phase::Lingering { .. } => self.linger_on(now, acknowledged()),
            Phase::Settling { .. } => self.settle_on(now, acknowledged(), replies),
            Phase::Serving | Phase::Draining(_) if self.is_handshaking() => {
                self.expire_handshake(now, replies);
            }
            // The other members had their time.
            Phase::Serving | Phase::Draining(_) if self.held_until > 0 => {
                self.give_time_to_read(now);
            }
            Phase::Serving | Phase::Draining(_) if now >= self.message_until() => {
                self.end_message(now, replies);
            }
            _ if self.is_owing() => {
                let Acknowledged { bytes, .. } = acknowledged();
                if self.progress.has_stalled(now, self.timeouts.write, bytes) {
                    self.end_by(Limit::WriteTimeout);
                }
            }
            Phase::Serving | Phase::Draining(_) => {
                self.expire_idle(now, acknowledged(), replies);
            }
            Phase::Parting | Phase::Finishing => self.phase = Phase::Closed,
        }
    }

    fn linger_on(&mut self, now: Nanos, acknowledged: Acknowledged) {
        let Acknowledged { bytes, all } = acknowledged;
        if all {
            self.close();
        } else if self.progress.has_stalled(now, self.timeouts.write, bytes) {
            self.end_by(Limit::WriteTimeout);
        } else {
            self.phase = Phase::Lingering { until: now.saturating_add(LINGER / 4) };
        }
    }

    fn settle_on(&mut self, now: Nanos, acknowledged: Acknowledged, replies: &mut Replies) {
        let Acknowledged { bytes, all } = acknowledged;
        if !all || self.is_owing() {
            if self.progress.has_stalled(now, self.timeouts.write, bytes) {
                self.end_by(Limit::WriteTimeout);
            } else {
                self.phase = Phase::Settling { until: now.saturating_add(LINGER / 4) };
            }
        } else if self.unanswered {
            self.end_by(Limit::Stop);
        } else {
            self.finish(replies);
            self.owe(now, replies);
        }
    }

    fn expire_handshake(&mut self, now: Nanos, replies: &mut Replies) {
        let over = now >= self.idle_until();
        let Some(tls) = &mut self.tls else { return };
        if tls.give_up(now, over, replies) {
            self.ends_by(Ending::HandshakeTimeout);
            self.phase = Phase::Closed;
        } else {
            self.looked_at = now;
        }
    }

    /// A message was not completed in time: the peer gets an error reply, and time to read it.
    fn end_message(&mut self, now: Nanos, replies: &mut Replies) {
        self.ended_by = Some(Limit::MessageTimeout);
        self.speaker.time_out(replies);
        if let Some(tls) = &mut self.tls {
            tls.encrypt(replies);
        }
        self.finish(replies);
        self.owe(now, replies);
    }

    /// An idle peer gets a graceful close, and time to see it. It is not idle as long as it
    /// takes output from our send buffer.
    fn expire_idle(&mut self, now: Nanos, acknowledged: Acknowledged, replies: &mut Replies) {
        let Acknowledged { bytes, all } = acknowledged;
        let grows = if all { Some(false) } else { self.progress.has_grown(now, bytes) };
        match grows {
            Some(true) => self.active_at = now,
            // The first look: the next shows whether it does.
            None => {
                let left = self.timeouts.idle.min(self.timeouts.write);
                self.active_at = now.saturating_add(left).saturating_sub(self.timeouts.idle);
            }
            Some(false) => {
                self.ends_by(Ending::IdleTimeout);
                self.finish(replies);
                self.owe(now, replies);
            }
        }
    }
}
