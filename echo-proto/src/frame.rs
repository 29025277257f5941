//! Binary frames: `[u32 big-endian length][payload]`, echoed as the same frame. A length of
//! zero is valid.

use std::fmt;

use crate::length_prefix::{FRAME_TIMED_OUT, LengthPrefixSplitter};
use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond};

/// The server's side of the frame protocol.
#[derive(Debug)]
pub struct FrameResponder {
    frames: LengthPrefixSplitter<4>,
    finished: bool,
}

impl FrameResponder {
    /// Accepts payloads of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self { frames: LengthPrefixSplitter::new(max_message), finished: false }
    }
}

fn echo(header: [u8; 4], payload: &[u8], replies: &mut Replies) {
    replies.push(&header);
    replies.end_prefix();
    replies.push(payload);
    replies.end_message();
}

/// A final error reply.
fn refuse(reason: impl fmt::Display, replies: &mut Replies) {
    let text = format!("ERROR: {reason}");
    replies.count_error();
    replies.push(&(text.len() as u32).to_be_bytes());
    replies.push(text.as_bytes());
}

impl Respond for FrameResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let fed = self.frames.feed(input, |header, payload| echo(*header, payload, replies));
        if let Err(reason) = fed {
            refuse(reason, replies);
            self.finished = true;
            return Flow::Finish;
        }
        Flow::Open
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if !self.finished && !self.frames.partial().is_empty() {
            replies.count_error();
        }
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        self.frames.partial().len()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            refuse(FRAME_TIMED_OUT, replies);
        }
    }
}

/// The client's side of the frame protocol.
#[derive(Debug)]
pub struct FrameRequester {
    frames: LengthPrefixSplitter<4>,
}

impl FrameRequester {
    /// Expects replies to messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        // An error frame fits too, however short the messages are.
        Self { frames: LengthPrefixSplitter::new(max_message.max(256)) }
    }
}

impl Request for FrameRequester {
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(payload.len() + 4);
        wire.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        wire.extend_from_slice(payload);
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        self.frames.feed(input, |_, body| {
            each(Reply {
                answers: Answers::Oldest,
                outcome: Outcome::Echo,
                status: None,
                body,
            });
        })?;
        Ok(())
    }

    fn partial(&self) -> &[u8] {
        self.frames.partial()
    }
}
