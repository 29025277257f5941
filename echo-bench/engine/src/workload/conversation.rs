//! What goes over one connection: [`Conversation`], its requests and replies in their
//! protocol, and [`Outgoing`], requests on their way out. Shared by the workloads that match
//! each reply to its request.

use std::ops::Range;

use echo_net::Nanos;
use echo_net::reactor::Reactor;
use echo_proto::{Reply, Request as _, Requester};

use super::in_flight::InFlight;
use crate::messages::Messages;
use crate::plan::Plan;
use crate::rig::{Loss, Parts};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) requester: Requester,
    pub(super) in_flight: InFlight,
}

/// What bytes of replies did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    /// Replies that came.
    pub(super) replies: u32,
    /// Requests that lacked one before.
    pub(super) awaited: u32,
}

impl Conversation {
    /// Without a request of this actor, on so many streams.
    pub(super) fn new(plan: &Plan, actor: u32, streams: u32) -> Self {
        Self { requester: plan.requester(), in_flight: InFlight::new(actor, streams) }
    }

    /// Settles the requests that `bytes` (`None`: the end of them) answer.
    pub(super) fn settle<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        number: u32,
        bytes: Option<&[u8]>,
    ) -> Result<Settled, Loss> {
        let Self { requester, in_flight } = self;
        let (ledger, messages, at) = (&mut *parts.ledger, parts.messages, parts.now);
        let (awaited, right) = (in_flight.unanswered(), in_flight.right_answers());
        let mut replies = 0;
        let each = |reply: Reply<'_>| {
            replies += 1;
            in_flight.settle(number, messages, reply, at, ledger);
        };
        let decoded = if let Some(bytes) = bytes {
            requester.decode(bytes, each)
        } else {
            requester.end_of_input(each);
            Ok(())
        };
        ledger.settle();
        if in_flight.right_answers() > right {
            parts.wire.prove(link);
        }
        decoded.map_err(Loss::Malformed)?;
        Ok(Settled { replies, awaited })
    }
}

/// See the [module](self). Reused from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    text: Vec<u8>,
    wire: Vec<u8>,
    /// Where writes end, if a request is sent in several.
    cuts: Vec<usize>,
}

impl Outgoing {
    /// Adds a request of the connection `number`, which is sent in so many `writes`.
    pub(super) fn add(
        &mut self,
        requester: &mut Requester,
        messages: &Messages,
        (number, request): (u32, u64),
        writes: u32,
    ) {
        let start = self.wire.len();
        messages.write(number, request, &mut self.text);
        requester.encode(request, &self.text, &mut self.wire);
        cut(&mut self.cuts, start..self.wire.len(), writes);
    }

    /// Sends what was added.
    pub(super) fn send<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32, now: Nanos) {
        parts.send(link, &mut self.wire, &mut self.cuts, now);
        // Of a link that is gone nothing is sent.
        self.wire.clear();
        self.cuts.clear();
    }
}

/// Adds where the writes of a message end that is sent in so many.
fn cut(cuts: &mut Vec<usize>, message: Range<usize>, writes: u32) {
    if writes > 1 {
        let piece = message.len().div_ceil(writes as usize).max(1);
        let end = message.end;
        cuts.extend(message.step_by(piece).skip(1));
        cuts.push(end);
    }
}
