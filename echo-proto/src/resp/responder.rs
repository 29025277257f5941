//! The server's side: [`RespResponder`].

use std::fmt;
use std::ops::ControlFlow;

use super::splitter::{CommandSplitter, RespCommand};
use crate::{Flow, Replies, Respond, decimal};

/// Bytes of an unknown command's name that the error repeats.
const NAME_SHOWN: usize = 128;

/// HTTP methods that are not Redis commands.
const VERBS: [&[u8]; 8] =
    [b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"];

/// Databases that can be selected, as many as a Redis has by default. There is nothing in them.
const DATABASES: usize = 16;

/// Fields of the reply to `HELLO` before and after the version of the protocol, in the order of
/// Redis.
const HELLO: [&[u8]; 2] = [
    b"$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n",
    b"$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
      $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
];

/// What Redis says where a password is given and none is set.
const NO_PASSWORD_SET: &[u8] =
    b"-ERR AUTH <password> called without any password configured for \
    the default user. Are you sure your configuration is correct?";

/// The server's side of the Redis protocol.
#[derive(Debug)]
pub struct RespResponder {
    commands: CommandSplitter,
    /// Whether the client has asked for RESP3.
    is_resp3: bool,
    finished: bool,
}

impl RespResponder {
    /// Accepts commands whose arguments together have at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let commands = CommandSplitter::new(max_message);
        Self { commands, is_resp3: false, finished: false }
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

fn answer(
    command: RespCommand<'_>,
    is_resp3: &mut bool,
    replies: &mut Replies,
) -> ControlFlow<()> {
    let RespCommand { name, argument, arguments } = command;
    let named = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match (argument, arguments) {
        (Some(message), 1) if named(b"ECHO") || named(b"PING") => bulk(message, replies),
        (None, _) if named(b"PING") => line(b"+PONG", replies),
        (None, _) if named(b"QUIT") => {
            line(b"+OK", replies);
            return ControlFlow::Break(());
        }
        (None | Some(b"2" | b"3"), _) if named(b"HELLO") => {
            *is_resp3 = argument.map_or(*is_resp3, |version| version == b"3");
            hello(*is_resp3, replies);
        }
        _ if named(b"HELLO") => line(b"-NOPROTO unsupported protocol version", replies),
        (Some(_), 1) if named(b"AUTH") => line(NO_PASSWORD_SET, replies),
        // Without a password the default user is let in with any.
        (Some(b"default"), 2) if named(b"AUTH") => line(b"+OK", replies),
        (Some(_), 2) if named(b"AUTH") => {
            line(b"-WRONGPASS invalid username-password pair or user is disabled.", replies);
        }
        _ if named(b"AUTH") => wrong_number(b"auth", replies),
        (Some(number), 1) if named(b"SELECT") => match decimal::parse(number) {
            None => line(b"-ERR value is not an integer or out of range", replies),
            Some(number) if number >= DATABASES => {
                line(b"-ERR DB index is out of range", replies);
            }
            Some(_) => line(b"+OK", replies),
        },
        _ if named(b"SELECT") => wrong_number(b"select", replies),
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

/// A map in RESP3, an array in RESP2.
fn hello(is_resp3: bool, replies: &mut Replies) {
    let [before, after] = HELLO;
    replies.push(if is_resp3 { b"%7\r\n" } else { b"*14\r\n" });
    replies.push(before);
    replies.push(if is_resp3 { b":3\r\n" } else { b":2\r\n" });
    replies.push(after);
    replies.end_message();
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

fn refuse(reason: impl fmt::Display, replies: &mut Replies) {
    replies.count_error();
    replies.push_display(format_args!("-ERR Protocol error: {reason}\r\n"));
}

impl Respond for RespResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let Self { commands, is_resp3, .. } = self;
        match commands.feed(input, |command| answer(command, is_resp3, replies)) {
            Ok(ControlFlow::Continue(())) => return Flow::Open,
            Ok(ControlFlow::Break(())) => {}
            Err(reason) => refuse(reason, replies),
        }
        self.finished = true;
        Flow::Finish
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if !self.finished && self.commands.unfinished() > 0 {
            replies.count_error();
        }
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        self.commands.unfinished()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            refuse("command not completed in time", replies);
        }
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
            ("HELLO 4", "-NOPROTO unsupported protocol version"),
            ("SELECT 15", "+OK"),
            ("SELECT 16", "-ERR DB index is out of range"),
            ("SELECT x", "-ERR value is not an integer or out of range"),
            ("SELECT", "-ERR wrong number of arguments for 'select' command"),
            ("AUTH default any", "+OK"),
            ("AUTH a b", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH", "-ERR wrong number of arguments for 'auth' command"),
            ("SET k v", "-ERR unknown command 'SET'"),
        ] {
            let (seen, flow, errors) = replies(&format!("{command}\r\n"));
            assert_eq!((seen, flow, errors), (format!("{reply}\r\n"), Flow::Open, 0));
        }
        let (seen, ..) = replies("AUTH any\r\n");
        assert!(seen.starts_with("-ERR AUTH <password> called without any"), "{seen}");
        let (seen, ..) = replies("HELLO 3\r\nHELLO\r\nECHO a\r\n");
        assert_eq!(seen.matches("%7\r\n$6\r\nserver\r\n").count(), 2, "{seen}");
        assert!(seen.contains("$5\r\nproto\r\n:3\r\n") && seen.ends_with("$1\r\na\r\n"));
        for command in ["HELLO", "HELLO 2", "HELLO 3\r\nHELLO 2"] {
            let (seen, ..) = replies(&format!("{command}\r\n"));
            assert!(seen.contains("*14\r\n$6\r\nserver\r\n"), "{seen}");
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
    fn a_length_that_no_buffer_can_have_is_over_any_limit() {
        let longest = usize::MAX;
        let mut replies = Replies::new(WriteMode::Whole);
        let script = format!("*2\r\n$4\r\nECHO\r\n${longest}\r\n");
        let flow = RespResponder::new(longest).receive(script.as_bytes(), &mut replies);
        assert_eq!((flow, replies.errors()), (Flow::Finish, 1));
    }
}
