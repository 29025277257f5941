//! What is said on a connection before requests, in protocols that have that: a start-up, a
//! login. The server's refusal is a [`Loss`].

use echo_net::reactor::Reactor;
use echo_proto::{Outcome, Refused, Request as _, Requester};

use super::{Conversation, Outgoing};
use crate::plan::Plan;
use crate::rig::{Loss, Opening, Parts};

impl Conversation {
    /// Says what comes before requests on a new connection, where the protocol has that.
    pub(in crate::workload) fn open<R: Reactor>(
        &mut self,
        plan: &Plan,
        outgoing: &mut Outgoing,
        parts: &mut Parts<'_, R>,
        link: u32,
    ) -> Opening {
        if plan.workload.protocol().is_open_at_once() {
            return Opening::Ready;
        }
        // One that was begun on a connection that failed is of no use.
        self.reset(plan);
        outgoing.open(&mut self.requester, parts, link);
        Opening::Introduced
    }

    /// Whether requests can be sent.
    #[inline]
    pub(in crate::workload) fn is_open(&self) -> bool {
        self.requester.is_open()
    }

    /// Answers what has come before requests could be sent.
    #[cold]
    pub(in crate::workload) fn go_on_opening<R: Reactor>(
        &mut self,
        outgoing: &mut Outgoing,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: &[u8],
    ) -> Result<(), Loss> {
        let mut refused = None;
        let decoded = self.requester.decode(bytes, |reply| {
            if reply.outcome != Outcome::Echo {
                refused.get_or_insert_with(|| Refused::new(reply.body));
            }
        });
        if let Some(refused) = refused {
            return Err(Loss::Refused(refused));
        }
        decoded.map_err(Loss::Malformed)?;
        outgoing.open(&mut self.requester, parts, link);
        Ok(())
    }
}

impl Outgoing {
    /// Sends what is to be said before requests, if there is something.
    fn open<R: Reactor>(
        &mut self,
        requester: &mut Requester,
        parts: &mut Parts<'_, R>,
        link: u32,
    ) {
        requester.open(&mut self.wire);
        if !self.wire.is_empty() {
            let now = parts.now;
            self.send(parts, link, now);
        }
    }
}
