//! Frames on numbered streams: `[u32 big-endian stream][u32 big-endian length][payload]`,
//! echoed on the same stream. Streams need no opening, and any id is valid. Order is guaranteed
//! within a stream only.

use std::fmt;

use crate::length_prefix::{FRAME_TIMED_OUT, LengthPrefixSplitter};
use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond};

/// Stream and length.
const HEADER: usize = 8;

/// The server's side of the mux protocol.
#[derive(Debug)]
pub struct MuxResponder {
    frames: LengthPrefixSplitter<HEADER>,
    finished: bool,
}

impl MuxResponder {
    /// Accepts payloads of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self { frames: LengthPrefixSplitter::new(max_message), finished: false }
    }

    /// Sends a final error on the stream of the incomplete frame.
    fn refuse(&mut self, reason: impl fmt::Display, replies: &mut Replies) {
        let stream = self.frames.partial().first_chunk::<4>().copied().unwrap_or_default();
        let text = format!("ERROR: {reason}");
        self.finished = true;
        replies.count_error();
        replies.push(&stream);
        replies.push(&(text.len() as u32).to_be_bytes());
        replies.push(text.as_bytes());
    }
}

impl Respond for MuxResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let fed = self.frames.feed(input, |header, payload| {
            replies.push(header);
            replies.end_prefix();
            replies.push(payload);
            replies.end_message();
        });
        if let Err(reason) = fed {
            self.refuse(reason, replies);
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
        if !self.finished {
            self.refuse(FRAME_TIMED_OUT, replies);
        }
    }
}

/// The client's side of the mux protocol: requests rotate through the streams.
#[derive(Debug)]
pub struct MuxRequester {
    frames: LengthPrefixSplitter<HEADER>,
    streams: u32,
}

impl MuxRequester {
    /// Expects replies to messages of at most `max_message` bytes; request *n* goes to
    /// stream *n* modulo `streams`, of which there is at least one.
    pub fn new(max_message: usize, streams: u32) -> Self {
        // An error frame fits too, however short the messages are.
        let frames = LengthPrefixSplitter::new(max_message.max(256));
        Self { frames, streams: streams.max(1) }
    }
}

impl Request for MuxRequester {
    #[inline]
    fn encode(&mut self, number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        let stream = (number % u64::from(self.streams)) as u32;
        wire.reserve(payload.len() + HEADER);
        wire.extend_from_slice(&stream.to_be_bytes());
        wire.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        wire.extend_from_slice(payload);
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        self.frames.feed(input, |header, body| {
            let stream = header.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            let answers = Answers::OldestOf(stream);
            each(Reply { answers, outcome: Outcome::Echo, status: None, body });
        })?;
        Ok(())
    }

    fn partial(&self) -> &[u8] {
        self.frames.partial()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteMode;

    #[test]
    fn a_frame_comes_back_on_its_stream_and_a_refusal_too() {
        for pieces in [1, 3, 64] {
            let mut responder = MuxResponder::new(4);
            let mut replies = Replies::new(WriteMode::Whole);
            let echoed = b"\xff\xff\xff\xff\0\0\0\x02hi\0\0\0\x07\0\0\0\0";
            let refused = b"\0\x01\x02\x03\0\0\0\x05";
            let mut flow = Flow::Open;
            for piece in [&echoed[..], refused].concat().chunks(pieces) {
                flow = responder.receive(piece, &mut replies);
            }
            assert_eq!(flow, Flow::Finish);
            let told = b"\0\x01\x02\x03\0\0\0\x26ERROR: frame too long (limit 4 bytes)";
            assert_eq!(replies.bytes(), [&echoed[..], &told[..7], &[37], &told[8..]].concat());
        }
    }

    #[test]
    fn requests_take_the_streams_in_turn() {
        let mut requester = MuxRequester::new(16, 3);
        let mut wire = Vec::new();
        for number in 0..5 {
            requester.encode(number, b"x", &mut wire);
        }
        let streams: Vec<u8> = wire.chunks(HEADER + 1).map(|frame| frame[3]).collect();
        assert_eq!(streams, [0, 1, 2, 0, 1]);
        let mut seen = Vec::new();
        requester.decode(&wire, |reply| seen.push(reply.answers)).unwrap();
        assert_eq!(seen, [0, 1, 2, 0, 1].map(Answers::OldestOf));
    }
}
