//! RFC 862: every byte comes back, in order, without framing. For a client a message is a
//! run of bytes whose length only the client knows, so any plain byte echo can be driven.

use std::collections::VecDeque;

use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond};

/// The server's side of the raw protocol.
#[derive(Debug, Default)]
pub struct RawResponder;

impl Respond for RawResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        // Without framing nobody but the client knows the messages; a read counts as one.
        replies.push(input);
        replies.end_message();
        Flow::Open
    }

    fn end_of_input(&mut self, _replies: &mut Replies) {}
}

/// The client's side of the raw protocol.
#[derive(Debug, Default)]
pub struct RawRequester {
    /// Lengths of the requests that have no whole reply yet, oldest first.
    lengths: VecDeque<usize>,
    partial: Vec<u8>,
}

impl Request for RawRequester {
    /// An empty payload has no reply that could be seen and is not to be sent.
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        debug_assert!(!payload.is_empty(), "an empty raw message can't be answered");
        self.lengths.push_back(payload.len());
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
            let Some(&length) = self.lengths.front() else {
                return Err(Malformed::Unsolicited(input.len()));
            };
            let lacking = length - self.partial.len();
            let Some((head, rest)) = input.split_at_checked(lacking) else {
                self.partial.extend_from_slice(input);
                return Ok(());
            };
            self.lengths.pop_front();
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
