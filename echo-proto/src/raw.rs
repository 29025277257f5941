//! RFC 862: every byte is echoed, in order, without framing. For a client a message is a run of
//! bytes whose length only the client knows, so any plain byte echo can be tested.

use std::collections::VecDeque;

use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond};

/// The server's side of the raw protocol.
#[derive(Debug, Default)]
pub struct RawResponder;

impl Respond for RawResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        // Without framing only the client knows the message boundaries; each read counts as one
        // message.
        replies.push(input);
        replies.end_message();
        Flow::Open
    }

    fn end_of_input(&mut self, _replies: &mut Replies) {}
}

/// The client's side of the raw protocol.
#[derive(Debug, Default)]
pub struct RawRequester {
    /// Lengths of the requests without a complete reply.
    lengths: Lengths,
    partial: Vec<u8>,
}

/// Lengths, oldest first, run-length encoded: most clients have messages of one length, which
/// need a single run.
#[derive(Debug, Default)]
struct Lengths {
    first: usize,
    /// How many times the first length repeats; 0 if none are left.
    times: u64,
    later: VecDeque<(usize, u64)>,
}

impl Lengths {
    #[inline]
    fn push(&mut self, length: usize) {
        if self.later.is_empty() && (self.times == 0 || self.first == length) {
            self.first = length;
            self.times += 1;
        } else {
            self.push_later(length);
        }
    }

    fn push_later(&mut self, length: usize) {
        match self.later.back_mut() {
            Some((last, times)) if *last == length => *times += 1,
            _ => self.later.push_back((length, 1)),
        }
    }

    #[inline]
    fn first(&self) -> Option<usize> {
        (self.times > 0).then_some(self.first)
    }

    #[inline]
    fn pop(&mut self) {
        self.times -= 1;
        if self.times == 0
            && let Some((first, times)) = self.later.pop_front()
        {
            (self.first, self.times) = (first, times);
        }
    }
}

impl Request for RawRequester {
    /// An empty payload has no visible reply and must not be sent.
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        debug_assert!(!payload.is_empty(), "an empty raw message can't be answered");
        self.lengths.push(payload.len());
        wire.extend_from_slice(payload);
    }

    #[inline]
    fn decode(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let mut reply = |body: &[u8]| {
            each(Reply {
                answers: Answers::Oldest,
                outcome: Outcome::Echo,
                status: None,
                body,
            });
        };
        while !input.is_empty() {
            let Some(length) = self.lengths.first() else {
                return Err(Malformed::Unsolicited(input.len()));
            };
            let lacking = length - self.partial.len();
            let Some((head, rest)) = input.split_at_checked(lacking) else {
                self.partial.extend_from_slice(input);
                return Ok(());
            };
            self.lengths.pop();
            if self.partial.is_empty() {
                reply(head);
            } else {
                self.partial.extend_from_slice(head);
                reply(&self.partial);
                self.partial.clear();
            }
            input = rest;
        }
        Ok(())
    }

    fn partial(&self) -> &[u8] {
        &self.partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_come_back_in_order(
            steps in prop::collection::vec(prop::option::of(1usize..4), 0..200),
        ) {
            let (mut lengths, mut oracle) = (Lengths::default(), VecDeque::new());
            for step in steps {
                if let Some(length) = step {
                    lengths.push(length);
                    oracle.push_back(length);
                } else if oracle.pop_front().is_some() {
                    lengths.pop();
                }
                prop_assert_eq!(lengths.first(), oracle.front().copied());
            }
        }
    }
}
