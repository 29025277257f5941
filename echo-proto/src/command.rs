//! Lines whose first word is a command: the reply to `UPPER straße` is `STRASSE`. Commands that
//! interpret their text require UTF-8; `ECHO` is 8-bit clean.

use std::ops::ControlFlow;
use std::time::UNIX_EPOCH;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::line::{self, ECHO_PREFIX, ERROR_PREFIX};
use crate::line_splitter::{CarriageReturn, LineSplitter, LineTooLong};
use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond, WallClock};

/// The longest command and the space after it, which do not count towards the message limit.
const LONGEST_WORD: usize = b"REVERSE ".len();

const HELP: &[u8] =
    b"ECHO <text>, UPPER <text>, LOWER <text>, REVERSE <text>, TIME, HELP, QUIT\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Echo,
    Upper,
    Lower,
    Reverse,
    Time,
    Help,
    Quit,
}

impl Command {
    /// The command of a line and its text. A command that takes no text does not match with
    /// one.
    fn of(line: &[u8]) -> Option<(Self, &[u8])> {
        let (word, text) = match memchr::memchr(b' ', line) {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &b""[..]),
        };
        let named = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let command = match word.len() {
            4 if named("ECHO") => Self::Echo,
            5 if named("UPPER") => Self::Upper,
            5 if named("LOWER") => Self::Lower,
            7 if named("REVERSE") => Self::Reverse,
            4 if text.is_empty() && named("TIME") => Self::Time,
            4 if text.is_empty() && named("HELP") => Self::Help,
            4 if text.is_empty() && named("QUIT") => Self::Quit,
            _ => return None,
        };
        Some((command, text))
    }
}

/// The text that a line asks the echo of, if it does.
pub(crate) fn echoed_text(line: &[u8]) -> Option<&[u8]> {
    match Command::of(line)? {
        (Command::Echo, text) => Some(text),
        _ => None,
    }
}

/// The server's side of the command protocol.
#[derive(Debug)]
pub struct CommandResponder {
    lines: LineSplitter,
    max_message: usize,
    clock: WallClock,
    finished: bool,
}

impl CommandResponder {
    /// Accepts commands with at most `max_message` bytes of text; `TIME` reads `clock`.
    pub fn new(max_message: usize, clock: WallClock) -> Self {
        let limit = max_message.saturating_add(LONGEST_WORD);
        let lines = LineSplitter::new(limit, CarriageReturn::Drop);
        Self { lines, max_message, clock, finished: false }
    }

    /// Finishes the connection after `QUIT` or a line that is too long.
    fn conclude(
        &mut self,
        fed: Result<ControlFlow<()>, LineTooLong>,
        too_long: bool,
        replies: &mut Replies,
    ) -> Flow {
        if too_long || fed.is_err() {
            line::refuse(LineTooLong { limit: self.max_message }, replies);
        } else if fed == Ok(ControlFlow::Continue(())) {
            return Flow::Open;
        }
        self.finished = true;
        Flow::Finish
    }
}

/// What happens after a line.
enum Step {
    GoOn,
    Quit,
    TooLong,
}

fn answer(line: &[u8], max_message: usize, clock: WallClock, replies: &mut Replies) -> Step {
    let Some((command, text)) = Command::of(line) else {
        if line.len() > max_message {
            return Step::TooLong;
        }
        error(b"Unknown command", replies);
        return Step::GoOn;
    };
    if text.len() > max_message {
        return Step::TooLong;
    }
    match command {
        Command::Echo => line::echo(text, replies),
        Command::Upper => interpret(text, replies, push_upper),
        Command::Lower => interpret(text, replies, push_lower),
        Command::Reverse => interpret(text, replies, push_reversed),
        Command::Time => {
            // A clock that was never set may be before the epoch, which RFC 3339 can't express.
            let now = humantime::format_rfc3339_millis(clock().max(UNIX_EPOCH));
            replies.push_display(now);
            replies.push(b"\n");
            replies.end_message();
        }
        Command::Help => {
            replies.push(HELP);
            replies.end_message();
        }
        Command::Quit => return Step::Quit,
    }
    Step::GoOn
}

/// An error reply that keeps the connection open.
fn error(reason: &[u8], replies: &mut Replies) {
    replies.push(ERROR_PREFIX);
    replies.end_prefix();
    replies.push(reason);
    replies.push(b"\n");
    replies.end_message();
}

fn interpret(text: &[u8], replies: &mut Replies, push: impl FnOnce(&str, &mut Replies)) {
    let Ok(text) = str::from_utf8(text) else { return error(b"Invalid UTF-8", replies) };
    push(text, replies);
    replies.push(b"\n");
    replies.end_message();
}

fn push_upper(text: &str, replies: &mut Replies) {
    for letter in text.chars().flat_map(char::to_uppercase) {
        replies.push(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn push_lower(text: &str, replies: &mut Replies) {
    // The one letter whose lower case depends on its neighbours (Unicode 3.13, Final_Sigma):
    // the standard library knows the rule, but only together with an allocation.
    if text.contains('Σ') {
        return replies.push(text.to_lowercase().as_bytes());
    }
    for letter in text.chars().flat_map(char::to_lowercase) {
        replies.push(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Iterates forwards and writes backwards: finding cluster boundaries backwards is quadratic in
/// a text of flags.
fn push_reversed(text: &str, replies: &mut Replies) {
    let mut room = replies.push_room(text.len());
    for cluster in text.graphemes(true) {
        let (rest, place) = room.split_at_mut(room.len() - cluster.len());
        place.copy_from_slice(cluster.as_bytes());
        room = rest;
    }
}

impl Respond for CommandResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let (max_message, clock) = (self.max_message, self.clock);
        let mut too_long = false;
        let fed = self.lines.feed(input, |line| {
            match answer(line, max_message, clock, replies) {
                Step::GoOn => return ControlFlow::Continue(()),
                Step::Quit => {}
                Step::TooLong => too_long = true,
            }
            ControlFlow::Break(())
        });
        self.conclude(fed, too_long, replies)
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if self.finished {
            return;
        }
        let mut too_long = false;
        let fed = self.lines.end_of_input().map(|last| {
            let step = last.map(|line| answer(&line, self.max_message, self.clock, replies));
            too_long = matches!(step, Some(Step::TooLong));
            ControlFlow::Continue(())
        });
        let _ = self.conclude(fed, too_long, replies);
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        self.lines.partial().len()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            line::time_out(replies);
        }
    }
}

/// The client's side of the command protocol.
#[derive(Debug)]
pub struct CommandRequester {
    lines: LineSplitter,
    /// Whether messages include the command.
    typed: bool,
}

impl CommandRequester {
    /// Requests the echo of messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let limit = max_message.max(256).saturating_add(ECHO_PREFIX.len());
        Self { lines: LineSplitter::new(limit, CarriageReturn::Keep), typed: false }
    }

    /// Sends messages as they are, command included. Every reply line other than an error
    /// counts as a correct reply, whole.
    pub fn typed(max_message: usize) -> Self {
        // Upper or lower case is at most three times as long as the original.
        let limit = max_message.max(256).saturating_mul(3).saturating_add(ECHO_PREFIX.len());
        Self { lines: LineSplitter::new(limit, CarriageReturn::Keep), typed: true }
    }
}

impl Request for CommandRequester {
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(payload.len() + LONGEST_WORD);
        if !self.typed {
            wire.extend_from_slice(b"ECHO ");
        }
        wire.extend_from_slice(payload);
        wire.push(b'\n');
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let typed = self.typed;
        let _ = self.lines.feed(input, |line| {
            let (outcome, body) = if let Some(text) = line.strip_prefix(ERROR_PREFIX) {
                (Outcome::Error, text)
            } else if typed {
                (Outcome::Echo, line)
            } else if let Some(text) = line.strip_prefix(ECHO_PREFIX) {
                (Outcome::Echo, text)
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

#[cfg(test)]
mod tests;
