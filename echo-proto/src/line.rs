//! The default protocol: the reply to `<text>\n` is `ECHO: <text>\n`. 8-bit clean: invalid
//! UTF-8 is echoed unchanged.

use std::ops::ControlFlow;

use crate::line_splitter::{CarriageReturn, LineSplitter, LineTooLong};
use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond};

pub(crate) const ECHO_PREFIX: &[u8] = b"ECHO: ";
pub(crate) const ERROR_PREFIX: &[u8] = b"ERROR: ";

/// The server's side of the line protocol.
#[derive(Debug)]
pub struct LineResponder {
    lines: LineSplitter,
    finished: bool,
}

impl LineResponder {
    /// Accepts lines of at most `max_message` bytes of text.
    pub fn new(max_message: usize) -> Self {
        Self { lines: LineSplitter::new(max_message, CarriageReturn::Drop), finished: false }
    }
}

/// The final error reply to a line that is too long.
pub(crate) fn refuse(reason: LineTooLong, replies: &mut Replies) {
    replies.count_error();
    replies.push_display(format_args!("ERROR: {reason}\n"));
}

/// The final error reply to a line whose end did not arrive in time.
pub(crate) fn time_out(replies: &mut Replies) {
    replies.count_error();
    replies.push(ERROR_PREFIX);
    replies.push(b"line not completed in time\n");
}

pub(crate) fn echo(text: &[u8], replies: &mut Replies) {
    replies.push(ECHO_PREFIX);
    replies.end_prefix();
    replies.push(text);
    replies.push(b"\n");
    replies.end_message();
}

impl Respond for LineResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let fed = self.lines.feed(input, |text| {
            echo(text, replies);
            ControlFlow::Continue(())
        });
        match fed {
            Ok(_) => Flow::Open,
            Err(reason) => {
                self.finished = true;
                refuse(reason, replies);
                Flow::Finish
            }
        }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if self.finished {
            return;
        }
        match self.lines.end_of_input() {
            Ok(Some(last)) => echo(&last, replies),
            Ok(None) => {}
            Err(reason) => refuse(reason, replies),
        }
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        self.lines.partial().len()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            time_out(replies);
        }
    }
}

/// The client's side of the line protocol.
#[derive(Debug)]
pub struct LineRequester {
    lines: LineSplitter,
}

impl LineRequester {
    /// Expects replies to messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        // An error line fits too, however short the messages are.
        let limit = max_message.max(256).saturating_add(ERROR_PREFIX.len());
        Self { lines: LineSplitter::new(limit, CarriageReturn::Keep) }
    }
}

impl Request for LineRequester {
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(payload.len() + 1);
        wire.extend_from_slice(payload);
        wire.push(b'\n');
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let _ = self.lines.feed(input, |line| {
            let (outcome, body) = if let Some(text) = line.strip_prefix(ECHO_PREFIX) {
                (Outcome::Echo, text)
            } else if let Some(text) = line.strip_prefix(ERROR_PREFIX) {
                (Outcome::Error, text)
            } else {
                (Outcome::Unexpected, line)
            };
            each(Reply { answers: Answers::Oldest, outcome, status: None, body });
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn partial(&self) -> &[u8] {
        self.lines.partial()
    }
}
