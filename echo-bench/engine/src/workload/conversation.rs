//! What goes over one connection: [`Conversation`], its requests and replies in their
//! protocol, and [`Outgoing`], requests on their way out. Shared by the workloads that match
//! each reply to its request.

use std::ops::Range;

use echo_net::Nanos;
use echo_net::reactor::Reactor;
use echo_proto::{Malformed, Request as _, Requester};

use super::expected::Expected;
use super::in_flight::InFlight;
use crate::messages::Messages;
use crate::plan::{EngineKind, Plan};
use crate::rig::{Ledger, Loss, Parts};

mod opening;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Conversation {
    /// Whether the engine knows how much of a send the kernel has taken: `io_uring` reports it
    /// when all of it is done.
    knows_unsent: bool,
    pub(super) requester: Requester,
    pub(super) in_flight: InFlight,
    /// Replies that can only be the bytes sent, kept where many are awaited at once.
    expected: Option<Expected>,
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
            expected: Expected::of(plan),
        }
    }

    /// Nothing that was sent will be answered: from here on it is a new connection.
    pub(super) fn reset(&mut self, plan: &Plan) {
        self.requester = plan.requester();
        self.expected = Expected::of(plan);
    }

    /// Adds the next `requests` of the actor `number` to what is to be sent.
    #[inline]
    pub(super) fn ask(
        &mut self,
        outgoing: &mut Outgoing,
        messages: &Messages,
        number: u32,
        requests: u32,
        writes: u32,
    ) {
        let Self { requester, in_flight, expected, .. } = self;
        if let (Some(expected), Requester::Raw(raw)) = (&mut *expected, &*requester)
            && raw.is_idle()
            && in_flight.is_empty()
        {
            expected.start();
        }
        let first = in_flight.next_request();
        let requests = first..first + u64::from(requests);
        outgoing.add_all(requester, messages, (number, requests), writes);
        if let Some(expected) = expected {
            expected.sent(&outgoing.wire);
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
        let (messages, at) = (parts.messages, parts.now);
        let (awaited, right) = (self.in_flight.unanswered(), self.in_flight.right_answers());
        let mut replies = 0;
        let decoded = if let Some(bytes) = bytes {
            self.decode(bytes, (number, messages, at), parts.ledger, &mut replies)
        } else {
            let Self { requester, in_flight, .. } = self;
            requester.end_of_input(|reply| {
                replies += 1;
                in_flight.settle(number, messages, reply, at, parts.ledger);
            });
            Ok(())
        };
        parts.ledger.settle();
        if self.in_flight.right_answers() > right {
            parts.wire.prove(link);
        }
        decoded.map_err(Loss::Malformed)?;
        Ok(Settled { replies, awaited })
    }

    /// Settles the requests that these bytes answer, and adds how many replies they completed.
    #[inline]
    fn decode(
        &mut self,
        bytes: &[u8],
        (number, messages, at): (u32, &Messages, Nanos),
        ledger: &mut Ledger,
        replies: &mut u32,
    ) -> Result<(), Malformed> {
        let rest = self.settle_expected(bytes, at, ledger, replies);
        let Self { requester, in_flight, .. } = self;
        requester.decode(rest, |reply| {
            *replies += 1;
            in_flight.settle(number, messages, reply, at, ledger);
        })
    }

    /// Settles the whole replies of `bytes` together, where these are as expected; what is left
    /// to be looked at.
    #[inline]
    fn settle_expected<'a>(
        &mut self,
        bytes: &'a [u8],
        at: Nanos,
        ledger: &mut Ledger,
        replies: &mut u32,
    ) -> &'a [u8] {
        let Self {
            requester: Requester::Raw(raw), in_flight, expected: Some(expected), ..
        } = self
        else {
            return bytes;
        };
        if in_flight.has_unsent() {
            expected.stop();
        }
        if !expected.takes(bytes) {
            return bytes;
        }
        let (whole, used) = raw.take_whole(bytes.len());
        in_flight.answer_in_turn(whole, at, ledger);
        *replies += whole as u32;
        &bytes[used..]
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
    sizes: Vec<u32>,
}

impl Outgoing {
    /// Adds requests of the connection `number`, each of which is sent in so many `writes`.
    #[inline]
    fn add_all(
        &mut self,
        requester: &mut Requester,
        messages: &Messages,
        (number, requests): (u32, Range<u64>),
        writes: u32,
    ) {
        if let Requester::Raw(raw) = requester
            && writes == 1
            && let Some(size) = messages.append_run(number, requests.clone(), &mut self.wire)
        {
            let count = requests.end - requests.start;
            raw.sent(size, count);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            self.sizes.extend(std::iter::repeat_n(size, count as usize));
            return;
        }
        for request in requests {
            self.add(requester, messages, (number, request), writes);
        }
    }

    /// Adds a request of the connection `number`, which is sent in so many `writes`.
    pub(super) fn add(
        &mut self,
        requester: &mut Requester,
        messages: &Messages,
        (number, request): (u32, u64),
        writes: u32,
    ) {
        let start = self.wire.len();
        if let Requester::Raw(raw) = requester {
            messages.append(number, request, &mut self.wire);
            raw.sent(self.wire.len() - start, 1);
        } else {
            messages.write(number, request, &mut self.text);
            requester.encode(request, &self.text, &mut self.wire);
        }
        cut(&mut self.cuts, start..self.wire.len(), writes);
        self.sizes.push(u32::try_from(self.wire.len() - start).unwrap_or(u32::MAX));
    }

    /// The bytes of each request that was added.
    pub(super) fn sizes(&self) -> &[u32] {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{MessagePlan, ProtocolPlan};
    use crate::record::FailureKind;
    use crate::rig::{Asked, Ending};

    const SIZE: usize = 20;

    /// What a server does with the messages of a batch before it echoes them.
    #[derive(Debug, Clone, Copy)]
    enum Deed {
        Echo,
        Flip(usize),
        Swap(usize),
        /// Instead of the next one.
        Repeat(usize),
        Add,
        Lose(usize),
    }

    impl Deed {
        fn on(self, bytes: &mut Vec<u8>) {
            let messages = bytes.len() / SIZE;
            let of = |which: usize| (which % messages) * SIZE..(which % messages + 1) * SIZE;
            match self {
                Self::Echo => {}
                Self::Flip(which) => {
                    let place = which % bytes.len();
                    bytes[place] ^= 1;
                }
                Self::Swap(which) => {
                    let (one, other) = (of(which), of(which + 1));
                    for (a, b) in one.zip(other) {
                        bytes.swap(a, b);
                    }
                }
                Self::Repeat(which) => bytes.copy_within(of(which), of(which + 1).start),
                Self::Add => bytes.extend_from_within(..SIZE),
                Self::Lose(which) => drop(bytes.drain(of(which))),
            }
        }
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            6 => Just(Deed::Echo),
            1 => (0usize..1000).prop_map(Deed::Flip),
            1 => (0usize..100).prop_map(Deed::Swap),
            2 => (0usize..100).prop_map(Deed::Repeat),
            1 => Just(Deed::Add),
            1 => (0usize..100).prop_map(Deed::Lose),
        ]
    }

    fn plan() -> Plan {
        Plan::builder("127.0.0.1:7")
            .protocol(ProtocolPlan::Raw)
            .messages(MessagePlan::even(SIZE, SIZE))
            .pipeline(8)
            .build()
            .unwrap()
    }

    /// One connection, with what was counted of it.
    struct Side {
        conversation: Conversation,
        ledger: Ledger,
        replies: u32,
    }

    impl Side {
        fn new(expects: bool) -> Self {
            let mut conversation = Conversation::new(&plan(), 0, 1);
            assert!(conversation.expected.is_some(), "the plan is one that pays");
            conversation.expected = conversation.expected.filter(|_| expects);
            Self { conversation, ledger: Ledger::of_test(false), replies: 0 }
        }

        fn send(&mut self, messages: &Messages, requests: u32, at: Nanos) -> Vec<u8> {
            let mut outgoing = Outgoing::default();
            self.conversation.ask(&mut outgoing, messages, 3, requests, 1);
            let asked = Asked { intended: at, ready: at, written: None, measured: true };
            self.conversation.in_flight.push_run(&asked, outgoing.sizes(), at);
            outgoing.wire
        }

        fn receive(&mut self, messages: &Messages, bytes: &[u8], at: Nanos) -> bool {
            let Self { conversation, ledger, replies } = self;
            let decoded = conversation.decode(bytes, (3, messages, at), ledger, replies);
            ledger.settle();
            if decoded.is_err() {
                conversation.in_flight.abandon(at, ledger, Ending::Unmatched);
                conversation.reset(&plan());
            }
            decoded.is_ok()
        }

        fn counts(&mut self) -> (u32, u32, Vec<(FailureKind, u64)>, String) {
            let waiting = self.conversation.in_flight.waiting();
            let interval = self.ledger.interval();
            let errors = interval.errors.iter().map(|one| (one.kind, one.count)).collect();
            let response = interval.latencies.response.histogram();
            let clocks =
                (interval.tally.ok, interval.tally.mismatch, response.len(), response.max());
            (self.replies, waiting, errors, format!("{clocks:?}"))
        }
    }

    proptest! {
        /// Whether replies are compared in one piece or each by itself is not to be seen.
        #[test]
        fn what_is_compared_at_once_counts_as_what_is_looked_at_singly(
            batches in prop::collection::vec((1u32..8, deed(), 1usize..200), 1..40),
        ) {
            let messages = Messages::generated(SIZE, SIZE, 0, crate::messages::Verify::Full);
            let (mut one, mut other) = (Side::new(true), Side::new(false));
            for (turn, (requests, deed, piece)) in batches.into_iter().enumerate() {
                let at = turn as Nanos * 1000;
                let mut bytes = one.send(&messages, requests, at);
                prop_assert_eq!(&bytes, &other.send(&messages, requests, at));
                deed.on(&mut bytes);
                for (number, piece) in bytes.chunks(piece).enumerate() {
                    let at = at + 1 + number as Nanos;
                    let went_on = one.receive(&messages, piece, at);
                    prop_assert_eq!(went_on, other.receive(&messages, piece, at));
                    prop_assert_eq!(one.counts(), other.counts());
                    if !went_on {
                        break;
                    }
                }
            }
        }
    }
}
