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

    fn unfinished(&self) -> usize {
        0
    }

    fn time_out(&mut self, _replies: &mut Replies) {}
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
    fn push(&mut self, length: usize, times: u64) {
        if self.later.is_empty() && (self.times == 0 || self.first == length) {
            self.first = length;
            self.times += times;
        } else {
            self.push_later(length, times);
        }
    }

    fn push_later(&mut self, length: usize, times: u64) {
        match self.later.back_mut() {
            Some((last, so_often)) if *last == length => *so_often += times,
            _ => self.later.push_back((length, times)),
        }
    }

    #[inline]
    fn first(&self) -> Option<usize> {
        (self.times > 0).then_some(self.first)
    }

    #[inline]
    fn pop(&mut self) {
        self.pop_run(1);
    }

    /// Removes so many of the first length, of which there are as many.
    #[inline]
    fn pop_run(&mut self, times: u64) {
        self.times -= times;
        if self.times == 0
            && let Some((first, times)) = self.later.pop_front()
        {
            (self.first, self.times) = (first, times);
        }
    }
}

impl RawRequester {
    /// So many requests of `length` bytes each were sent without [`encode`](Request::encode).
    #[inline]
    pub fn sent(&mut self, length: usize, requests: u64) {
        debug_assert!(length > 0, "an empty raw message can't be answered");
        if requests > 0 {
            self.lengths.push(length, requests);
        }
    }

    /// Whether every request has its whole reply.
    pub fn is_idle(&self) -> bool {
        self.lengths.first().is_none() && self.partial.is_empty()
    }

    /// Takes replies as received that the next `bytes` bytes complete, without looking at them:
    /// how many replies that are, and how many of the bytes.
    pub fn take_whole(&mut self, bytes: usize) -> (u64, usize) {
        let (mut replies, mut used) = (0, 0);
        while let Some(length) = self.lengths.first() {
            let begun = self.partial.len();
            let run = ((begun + bytes - used) / length.max(1)) as u64;
            let run = if begun > 0 { run.min(1) } else { run.min(self.lengths.times) };
            if run == 0 {
                break;
            }
            self.lengths.pop_run(run);
            self.partial.clear();
            replies += run;
            used += run as usize * length - begun;
        }
        (replies, used)
    }
}

impl Request for RawRequester {
    /// An empty payload has no visible reply and must not be sent.
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        self.sent(payload.len(), 1);
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
                    lengths.push(length, 1);
                    oracle.push_back(length);
                } else if oracle.pop_front().is_some() {
                    lengths.pop();
                }
                prop_assert_eq!(lengths.first(), oracle.front().copied());
            }
        }

        #[test]
        fn whole_replies_are_those_that_decoding_finds(
            lengths in prop::collection::vec(1usize..4, 0..50),
            reads in prop::collection::vec(0usize..20, 0..20),
        ) {
            let (mut taking, mut decoding) = (RawRequester::default(), RawRequester::default());
            for &length in &lengths {
                taking.sent(length, 1);
                decoding.sent(length, 1);
            }
            let mut left: usize = lengths.iter().sum();
            for bytes in reads {
                let bytes = bytes.min(left);
                left -= bytes;
                let mut replies = 0;
                let decoded = decoding.decode(&vec![0; bytes], |_| replies += 1);
                prop_assert_eq!(decoded, Ok(()));
                let (taken, used) = taking.take_whole(bytes);
                prop_assert_eq!(taken, replies);
                prop_assert_eq!(taking.decode(&vec![0; bytes - used], |_| ()), Ok(()));
                prop_assert_eq!(taking.partial(), decoding.partial());
            }
            prop_assert_eq!(taking.is_idle(), decoding.is_idle());
        }
    }
}
