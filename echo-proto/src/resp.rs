//! The Redis protocol (RESP2), as much of it as stock tools need to drive the server and the
//! load generator needs to drive a Redis: `PING`, `ECHO`, `QUIT`, `HELLO`, `CLIENT`. Stores
//! nothing; any other command gets an error reply and the connection stays open.

use std::ops::{ControlFlow, Range};

mod quotes;
mod splitter;

use splitter::{CommandSplitter, ProtocolError, RespCommand};

use crate::carry_over::{self, CarryOver};
use crate::{Answers, Flow, Malformed, Outcome, Replies, Reply, Request, Respond, decimal};

/// Bytes of an unknown command's name that the error repeats.
const NAME_SHOWN: usize = 128;

/// HTTP methods that are not Redis commands.
const VERBS: [&[u8]; 8] =
    [b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"];

/// Reply to `HELLO`, in the field order of Redis.
const HELLO: &[u8] = b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n\
    $5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
    $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";

/// The server's side of the Redis protocol.
#[derive(Debug)]
pub struct RespResponder {
    commands: CommandSplitter,
    finished: bool,
}

impl RespResponder {
    /// Accepts commands whose arguments together have at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self { commands: CommandSplitter::new(max_message), finished: false }
    }
}

/// Whether this is a line of an HTTP request. A browser can be tricked into sending one, with
/// commands in its body (cross-protocol scripting), so nothing after it is executed. Redis does
/// the same for `POST` and `Host:`; a Redis `GET` has one argument, an HTTP `GET` two.
fn is_http(command: RespCommand<'_>) -> bool {
    let named = |known: &&[u8]| command.name.eq_ignore_ascii_case(known);
    named(&&b"HOST:"[..])
        || VERBS.iter().any(named)
        || (named(&&b"GET"[..]) && command.arguments == 2)
}

fn answer(command: RespCommand<'_>, replies: &mut Replies) -> ControlFlow<()> {
    let RespCommand { name, argument, arguments } = command;
    let named = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match (argument, arguments) {
        (Some(message), 1) if named(b"ECHO") || named(b"PING") => bulk(message, replies),
        (None, _) if named(b"PING") => line(b"+PONG", replies),
        (None, _) if named(b"QUIT") => {
            line(b"+OK", replies);
            return ControlFlow::Break(());
        }
        (None | Some(b"2"), _) if named(b"HELLO") => {
            replies.push(HELLO);
            replies.end_message();
        }
        _ if named(b"HELLO") => line(b"-NOPROTO unsupported protocol version", replies),
        _ if named(b"CLIENT") => line(b"+OK", replies),
        _ if named(b"ECHO") => wrong_number(b"echo", replies),
        _ if named(b"PING") => wrong_number(b"ping", replies),
        _ if named(b"QUIT") => wrong_number(b"quit", replies),
        _ if is_http(command) => {
            replies.count_error();
            return ControlFlow::Break(());
        }
        _ => unknown(name, replies),
    }
    ControlFlow::Continue(())
}

fn line(text: &[u8], replies: &mut Replies) {
    replies.push(text);
    replies.push(b"\r\n");
    replies.end_message();
}

fn bulk(text: &[u8], replies: &mut Replies) {
    replies.push(b"$");
    replies.push_decimal(text.len());
    replies.push(b"\r\n");
    replies.end_prefix();
    replies.push(text);
    replies.push(b"\r\n");
    replies.end_message();
}

fn wrong_number(name: &[u8], replies: &mut Replies) {
    replies.push(b"-ERR wrong number of arguments for '");
    replies.push(name);
    line(b"' command", replies);
}

fn unknown(name: &[u8], replies: &mut Replies) {
    let shown = &name[..name.len().min(NAME_SHOWN)];
    replies.push(b"-ERR unknown command '");
    // A line break in the name must not end the reply.
    for piece in shown.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        match piece.split_last() {
            Some((b'\r' | b'\n', text)) => {
                replies.push(text);
                replies.push(b" ");
            }
            _ => replies.push(piece),
        }
    }
    line(b"'", replies);
}

fn refuse(reason: ProtocolError, replies: &mut Replies) {
    replies.count_error();
    replies.push_display(format_args!("-ERR Protocol error: {reason}\r\n"));
}

impl Respond for RespResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        match self.commands.feed(input, |command| answer(command, replies)) {
            Ok(ControlFlow::Continue(())) => return Flow::Open,
            Ok(ControlFlow::Break(())) => {}
            Err(reason) => refuse(reason, replies),
        }
        self.finished = true;
        Flow::Finish
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if !self.finished && self.commands.is_within() {
            replies.count_error();
        }
        self.finished = true;
    }
}

/// The client's side of the Redis protocol: every message is sent with `ECHO`.
#[derive(Debug)]
pub struct RespRequester {
    partial: CarryOver,
    progress: ReplyProgress,
}

/// Parser state of an incomplete reply. Offsets count from its beginning.
#[derive(Debug)]
struct ReplyProgress {
    limit: usize,
    /// Bytes already searched for a line end.
    searched: usize,
    /// Range of its bulk string, once known.
    bulk: Option<Range<usize>>,
}

/// Maximum length of a reply line.
const REPLY_LINE: usize = 4096;

/// Type bytes of replies to our requests: bulk string, error, simple string, integer.
const TYPES: &[u8] = b"$-+:";

impl RespRequester {
    /// Expects replies to messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let limit = carry_over::possible(max_message);
        let progress = ReplyProgress { limit, searched: 0, bulk: None };
        Self { partial: CarryOver::default(), progress }
    }
}

impl ReplyProgress {
    /// The first reply in `bytes`, if it is complete: its outcome, the range of its body, and
    /// its length.
    #[inline]
    fn next(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(Outcome, Range<usize>, usize)>, Malformed> {
        if self.bulk.is_none() {
            if bytes.first().is_some_and(|first| !TYPES.contains(first)) {
                return Err(Malformed::NotResp);
            }
            let end = memchr::memchr(b'\n', &bytes[self.searched..]);
            let Some(end) = end.map(|end| end + self.searched) else {
                self.searched = bytes.len();
                let too_long = bytes.len() > REPLY_LINE;
                return if too_long { Err(Malformed::TooLong(REPLY_LINE)) } else { Ok(None) };
            };
            self.searched = 0;
            let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
            let outcome = match line.first() {
                Some(b'$') if line != b"$-1" => {
                    let length = decimal::parse(&line[1..]).ok_or(Malformed::NotResp)?;
                    if length > self.limit {
                        return Err(Malformed::TooLong(self.limit));
                    }
                    self.bulk = Some(end + 1..end + 1 + length);
                    return self.next(bytes);
                }
                Some(b'-') => return Ok(Some((Outcome::Error, 1..line.len(), end + 1))),
                Some(b'+' | b':' | b'$') => Outcome::Unexpected,
                _ => return Err(Malformed::NotResp),
            };
            return Ok(Some((outcome, 0..line.len(), end + 1)));
        }
        let Some(bulk) = self.bulk.clone() else { return Ok(None) };
        let end = bulk.end + 2;
        if bytes.len() < end {
            return Ok(None);
        }
        if &bytes[bulk.end..end] != b"\r\n" {
            return Err(Malformed::NotResp);
        }
        self.bulk = None;
        Ok(Some((Outcome::Echo, bulk, end)))
    }
}

impl Request for RespRequester {
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(payload.len() + 40);
        wire.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n$");
        decimal::append(payload.len(), wire);
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(payload);
        wire.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let Self { partial, progress } = self;
        partial.feed(input, |bytes| {
            let mut used = 0;
            while let Some((outcome, body, length)) = progress.next(&bytes[used..])? {
                let body = &bytes[used + body.start..used + body.end];
                each(Reply { answers: Answers::Oldest, outcome, status: None, body });
                used += length;
            }
            Ok(used)
        })
    }

    fn partial(&self) -> &[u8] {
        self.partial.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteMode;

    fn replies(script: &str) -> (String, Flow, u64) {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = RespResponder::new(1024);
        let flow = responder.receive(script.as_bytes(), &mut replies);
        let text = String::from_utf8(replies.bytes().to_vec()).unwrap();
        (text, flow, replies.errors())
    }

    #[test]
    fn each_command_gets_the_reply_of_a_redis() {
        for (command, reply) in [
            ("PING", "+PONG"),
            ("ping hi", "$2\r\nhi"),
            ("ping a b", "-ERR wrong number of arguments for 'ping' command"),
            ("ECHO hi", "$2\r\nhi"),
            ("ECHO \"a b\"", "$3\r\na b"),
            ("'ECHO' ''", "$0\r\n"),
            ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
            ("ECHO a b", "-ERR wrong number of arguments for 'echo' command"),
            ("CLIENT SETINFO LIB-NAME x", "+OK"),
            ("HELLO 3", "-NOPROTO unsupported protocol version"),
            ("SET k v", "-ERR unknown command 'SET'"),
        ] {
            let (seen, flow, errors) = replies(&format!("{command}\r\n"));
            assert_eq!((seen, flow, errors), (format!("{reply}\r\n"), Flow::Open, 0));
        }
        for command in ["HELLO", "HELLO 2"] {
            let (seen, ..) = replies(&format!("{command}\r\n"));
            assert!(seen.starts_with("*14\r\n$6\r\nserver\r\n"), "{seen}");
        }
    }

    #[test]
    fn quit_and_nonsense_end_the_connection_after_one_last_word() {
        assert_eq!(
            replies("PING\r\nQUIT\r\nPING\r\n"),
            ("+PONG\r\n+OK\r\n".into(), Flow::Finish, 0)
        );
        let told = "+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n";
        assert_eq!(replies("PING\r\n*1\r\nPING\r\n"), (told.into(), Flow::Finish, 1));
        let told = "-ERR Protocol error: unbalanced quotes in request\r\n";
        assert_eq!(replies("\"unbalanced\r\nPING\r\n"), (told.into(), Flow::Finish, 1));
    }

    #[test]
    fn an_http_request_ends_the_connection_before_the_commands_in_its_body() {
        let errors = "-ERR unknown command 'User-Agent:'\r\n";
        for (script, told) in [
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\nPING\r\n", ""),
            ("post /\r\nPING\r\n", ""),
            ("*1\r\n$4\r\nPOST\r\nPING\r\n", ""),
            ("PUT / HTTP/1.1\r\nPING\r\n", ""),
            ("GET / HTTP/1.1\r\nPING\r\n", ""),
            ("User-Agent: a\r\nHost: a\r\nPING\r\n", errors),
            ("host: a\r\nPING\r\n", ""),
        ] {
            assert_eq!(replies(script), (told.to_owned(), Flow::Finish, 1), "{script}");
        }
        // A Redis client's own commands are not HTTP.
        for (command, name) in [("GET key", "GET"), ("HOST", "HOST"), ("POSTS", "POSTS")] {
            let told = format!("-ERR unknown command '{name}'\r\n+PONG\r\n");
            let script = format!("{command}\r\nPING\r\n");
            assert_eq!(replies(&script), (told, Flow::Open, 0), "{command}");
        }
    }

    #[test]
    fn a_name_can_t_forge_a_second_reply() {
        let (seen, ..) = replies("*1\r\n$13\r\nx'\r\n+PONG\r\n+y\r\n");
        assert_eq!(seen, "-ERR unknown command 'x'  +PONG  +y'\r\n");
        let (seen, ..) = replies(&format!("{}\r\n", "n".repeat(1000)));
        assert_eq!(seen, format!("-ERR unknown command '{}'\r\n", "n".repeat(128)));
    }

    #[test]
    fn replies_of_every_type_are_told_apart() {
        let stream = b"$3\r\na\r\n\r\n-ERR no\r\n+OK\r\n:7\r\n$-1\r\n$0\r\n\r\n";
        for piece in 1..=stream.len() {
            let mut requester = RespRequester::new(16);
            let mut seen = Vec::new();
            for piece in stream.chunks(piece) {
                let each = |reply: Reply<'_>| seen.push((reply.outcome, reply.body.to_vec()));
                assert_eq!(requester.decode(piece, each), Ok(()));
            }
            let expected = [
                (Outcome::Echo, &b"a\r\n"[..]),
                (Outcome::Error, b"ERR no"),
                (Outcome::Unexpected, b"+OK"),
                (Outcome::Unexpected, b":7"),
                (Outcome::Unexpected, b"$-1"),
                (Outcome::Echo, b""),
            ];
            assert_eq!(seen, expected.map(|(outcome, body)| (outcome, body.to_vec())));
        }
        for nonsense in ["HTTP/1.1 400\r\n", "H", "$x\r\n", "$1\r\nabc"] {
            let decoded = RespRequester::new(16).decode(nonsense.as_bytes(), |_| {});
            assert_eq!(decoded, Err(Malformed::NotResp), "{nonsense}");
        }
    }

    #[test]
    fn a_length_that_no_buffer_can_have_is_over_any_limit() {
        let longest = usize::MAX;
        let decoded =
            RespRequester::new(longest).decode(format!("${longest}\r\n").as_bytes(), |_| {});
        assert!(matches!(decoded, Err(Malformed::TooLong(_))), "{decoded:?}");
        let mut replies = Replies::new(WriteMode::Whole);
        let script = format!("*2\r\n$4\r\nECHO\r\n${longest}\r\n");
        let flow = RespResponder::new(longest).receive(script.as_bytes(), &mut replies);
        assert_eq!((flow, replies.errors()), (Flow::Finish, 1));
    }

    #[test]
    fn a_reply_over_the_limit_is_no_other_protocol() {
        let decoded = RespRequester::new(16).decode(b"$17\r\n", |_| {});
        assert_eq!(decoded, Err(Malformed::TooLong(16)));
        let endless = format!("+{}", "x".repeat(REPLY_LINE));
        let decoded = RespRequester::new(16).decode(endless.as_bytes(), |_| {});
        assert_eq!(decoded, Err(Malformed::TooLong(REPLY_LINE)));
    }
}
