//! Why a session has ended.

use echo_net::tls::ClientFault;
use echo_proto::Replies;

use super::{Phase, Session};
use crate::ending::Ending;
use crate::limits::Limit;

impl Session {
    /// Records why the session ends, unless that is known.
    pub(super) fn ends_by(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Why the protocol has finished, with these last `replies`.
    pub(super) fn finished_by(&self, replies: &Replies) -> Ending {
        let Self { tls, .. } = self;
        match tls {
            Some(tls) if tls.has_failed() => Ending::Tls,
            Some(tls) if tls.is_input_over() => Ending::PeerClosed,
            _ if replies.errors() > 0 => Ending::Rejected,
            _ => Ending::Quit,
        }
    }

    /// Why the session has ended, or is about to; `None` while it is served.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Why the client's certificate was refused, if that has ended the session.
    pub(crate) fn refusal(&self) -> Option<&ClientFault> {
        self.tls.as_ref()?.refusal()
    }

    /// Whether the bytes on the wire are encrypted.
    #[inline]
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Ends the connection at a limit.
    pub(crate) fn end_by(&mut self, limit: Limit) {
        self.ended_by = Some(limit);
        self.phase = Phase::Closed;
    }

    /// The limit at which the server ends the connection by itself.
    pub(crate) fn ended_by(&self) -> Option<Limit> {
        self.ended_by
    }
}
