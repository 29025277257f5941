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
mod tests {
    use super::*;
    use crate::WriteMode;
    use std::time::{Duration, SystemTime};

    fn clock() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
    }

    fn replies(limit: usize, script: &[u8]) -> (String, Flow) {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = CommandResponder::new(limit, clock);
        let flow = responder.receive(script, &mut replies);
        responder.end_of_input(&mut replies);
        (String::from_utf8(replies.bytes().to_vec()).unwrap(), flow)
    }

    fn reply(line: &str) -> String {
        replies(1024, line.as_bytes()).0
    }

    #[test]
    fn each_command_does_what_the_table_says() {
        for (line, answer) in [
            ("ECHO x", "ECHO: x\n"),
            ("echo  two  spaces ", "ECHO:  two  spaces \n"),
            ("ECHO", "ECHO: \n"),
            ("UPPER straße", "STRASSE\n"),
            ("LOWER ΟΔΟΣ", "οδος\n"),
            ("LOWER ΣΑΣ ÀÉİ", "σας àéi\u{307}\n"),
            ("lOwEr ABC", "abc\n"),
            ("REVERSE a🇩🇪é", "é🇩🇪a\n"),
            ("REVERSE ae\u{301}👩‍👩‍👧", "👩‍👩‍👧e\u{301}a\n"),
            ("REVERSE ", "\n"),
            ("TIME", "2023-11-14T22:13:20.123Z\n"),
            ("NOPE", "ERROR: Unknown command\n"),
            ("", ""),
            ("ECHOx", "ERROR: Unknown command\n"),
            ("TIME now", "ERROR: Unknown command\n"),
            (" ECHO x", "ERROR: Unknown command\n"),
        ] {
            assert_eq!(reply(line), answer, "{line}");
        }
        let help = reply("HELP");
        for word in ["ECHO", "UPPER", "LOWER", "REVERSE", "TIME", "HELP", "QUIT"] {
            assert!(help.contains(word) && help.lines().count() == 1, "{help}");
        }
    }

    #[test]
    fn quit_ends_with_what_came_before_answered_and_nothing_after() {
        let (seen, flow) = replies(1024, b"ECHO a\nNOPE\n\nquit\nECHO no\n");
        assert_eq!(seen, "ECHO: a\nERROR: Unknown command\nERROR: Unknown command\n");
        assert_eq!(flow, Flow::Finish);
        assert_eq!(replies(1024, b"ECHO a\nQUIT"), ("ECHO: a\n".into(), Flow::Open));
    }

    #[test]
    fn text_that_is_not_utf_8_is_echoed_and_not_interpreted() {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = CommandResponder::new(1024, clock);
        let script = b"ECHO \xff\nUPPER \xff\nLOWER \xff\nREVERSE \xff\n";
        assert_eq!(responder.receive(script, &mut replies), Flow::Open);
        let invalid = &b"ERROR: Invalid UTF-8\n"[..];
        assert_eq!(replies.bytes(), [b"ECHO: \xff\n", invalid, invalid, invalid].concat());
        assert_eq!((replies.messages(), replies.errors()), (4, 0));
    }

    #[test]
    fn the_limit_is_of_the_text_and_not_of_the_command() {
        for (line, fits) in [
            ("ECHO 1234\n", true),
            ("ECHO 12345\n", false),
            ("REVERSE 1234\r\n", true),
            ("REVERSE 12345\n", false),
            ("ECHO 1234\r", true),
            ("ECHO 1234\r\r", false),
            ("NOPE\n", true),
            ("NOPE!\n", false),
            ("ECHO 12345", false),
        ] {
            let (seen, _) = replies(4, line.as_bytes());
            let refused = seen == "ERROR: line too long (limit 4 bytes)\n";
            assert_eq!(refused, !fits, "{line:?}: {seen}");
        }
    }

    #[test]
    fn a_long_text_of_flags_is_reversed_in_linear_time() {
        let flags = "🇩🇪".repeat(8_000);
        let begin = std::time::Instant::now();
        let (seen, _) = replies(1 << 20, format!("REVERSE a{flags}\n").as_bytes());
        assert_eq!(seen, format!("{flags}a\n"));
        // Quadratic time would be minutes without optimisation.
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }

    #[test]
    fn typed_commands_are_sent_as_they_are_and_their_replies_told_whole() {
        let mut requester = CommandRequester::typed(64);
        let mut wire = Vec::new();
        requester.encode(0, b"UPPER a", &mut wire);
        assert_eq!(wire, b"UPPER a\n");
        let mut seen = Vec::new();
        let decoded = requester.decode(b"ECHO: a\nERROR: no\nA\n", |reply| {
            seen.push((reply.outcome, reply.body.to_vec()));
        });
        assert_eq!(decoded, Ok(()));
        assert_eq!(
            seen,
            [
                (Outcome::Echo, b"ECHO: a".to_vec()),
                (Outcome::Error, b"no".to_vec()),
                (Outcome::Echo, b"A".to_vec()),
            ]
        );
    }
}
