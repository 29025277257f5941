//! What goes over one connection: [`Conversation`], its requests and replies in their
//! protocol, and [`Outgoing`], requests on their way out. Shared by the workloads that match
//! each reply to its request.

use std::ops::Range;

use echo_net::Nanos;
use echo_net::reactor::Reactor;
use echo_proto::{Reply, Request as _, Requester};

use super::in_flight::InFlight;
use crate::messages::Messages;
use crate::plan::{EngineKind, Plan};
use crate::rig::{Loss, Parts};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Conversation {
    /// Whether the engine knows how much of a send the kernel has taken: `io_uring` reports it
    /// when all of it is done.
    knows_unsent: bool,
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
        Self {
            knows_unsent: plan.engine == EngineKind::Epoll,
            requester: plan.requester(),
            in_flight: InFlight::new(actor, streams),
        }
    }

    /// Settles the requests that `bytes` (`None`: the end of them) answer.
    pub(super) fn settle<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        number: u32,
        bytes: Option<&[u8]>,
    ) -> Result<Settled, Loss> {
        // Inside TLS other bytes are sent than those of requests.
        if self.knows_unsent && !parts.wire.is_secured() {
            self.in_flight.set_unsent(parts.wire.unsent(parts.reactor, link));
        }
        let Self { requester, in_flight, .. } = self;
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
    /// The bytes of each request.
    sizes: Vec<usize>,
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
        self.sizes.push(self.wire.len() - start);
    }

    /// The bytes of each request that was added.
    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Sends what was added.
    pub(super) fn send<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32, now: Nanos) {
        parts.send(link, &mut self.wire, &mut self.cuts, now);
        // Of a link that is gone nothing is sent.
        self.wire.clear();
        self.cuts.clear();
        self.sizes.clear();
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
