//! The client's side: [`RespRequester`].

use std::ops::Range;

use super::login::RespLogin;
use super::opening::Opening;
use crate::carry_over::{self, CarryOver};
use crate::{Answers, Malformed, Outcome, Reply, Request, decimal};

/// The client's side of the Redis protocol: every message is sent with `ECHO`.
#[derive(Debug)]
pub struct RespRequester {
    login: RespLogin,
    /// What is said first; none once it was answered, or where there is nothing to say.
    opening: Option<Opening>,
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
pub(super) const REPLY_LINE: usize = 4096;

/// Type bytes of replies to our requests: bulk string, error, simple string, integer.
const TYPES: &[u8] = b"$-+:";

impl RespRequester {
    /// Expects replies to messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let limit = carry_over::possible(max_message);
        let progress = ReplyProgress { limit, searched: 0, bulk: None };
        let partial = CarryOver::default();
        Self { login: RespLogin::default(), opening: None, partial, progress }
    }

    /// The same, for this user and database.
    #[must_use]
    pub fn with_login(self, login: RespLogin) -> Self {
        let opening = Opening::of(&login);
        Self { login, opening, ..self }
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
    fn open(&mut self, wire: &mut Vec<u8>) {
        if let Some(opening) = &mut self.opening {
            opening.say(&self.login, wire);
        }
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.opening.is_none()
    }

    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        // Redis takes requests before it has answered.
        self.open(wire);
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
        let Self { login, partial, progress, opening } = self;
        partial.feed(input, |bytes| {
            let mut used = 0;
            while let Some(going_on) = opening {
                let Some((length, refused)) = going_on.take(&bytes[used..])? else {
                    return Ok(used);
                };
                if let Some(body) = refused {
                    let (answers, outcome) = (Answers::Oldest, Outcome::Error);
                    let body = &login.shown(&bytes[used + body.start..used + body.end])[..];
                    each(Reply { answers, outcome, status: None, body });
                }
                used += length;
                if going_on.is_over() {
                    *opening = None;
                }
            }
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
    fn a_login_is_answered_before_requests_however_the_replies_come() {
        let login = RespLogin { database: 3, resp3: true, ..RespLogin::default() };
        let stream = b"%1\r\n+proto\r\n:3\r\n+OK\r\n$1\r\na\r\n";
        for piece in 1..=stream.len() {
            let mut requester = RespRequester::new(16).with_login(login.clone());
            let (mut wire, mut seen) = (Vec::new(), Vec::new());
            requester.open(&mut wire);
            assert!(wire.starts_with(b"*2\r\n$5\r\nHELLO\r\n") && !requester.is_open());
            for piece in stream.chunks(piece) {
                let each = |reply: Reply<'_>| seen.push((reply.outcome, reply.body.to_vec()));
                assert_eq!(requester.decode(piece, each), Ok(()));
            }
            assert!(requester.is_open());
            assert_eq!(seen, [(Outcome::Echo, b"a".to_vec())]);
        }
        let mut requester = RespRequester::new(16).with_login(login);
        let mut seen = Vec::new();
        let each = |reply: Reply<'_>| seen.push((reply.outcome, reply.body.to_vec()));
        assert_eq!(requester.decode(b"-NOPROTO no\r\n", each), Ok(()));
        assert_eq!(seen, [(Outcome::Error, b"NOPROTO no".to_vec())]);
    }

    #[test]
    fn a_refusal_that_repeats_the_login_is_told_without_the_password() {
        let password = Some(crate::Secret::from("hidden".to_owned()));
        let login = RespLogin { password, ..RespLogin::default() };
        for (reply, told) in [
            (
                "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, \
                 `default`, `hid\r\n",
                "ERR unknown command `HELLO`",
            ),
            ("-ERR no `AUTH hidden` (hidden)\r\n", "ERR no `AUTH ***` (***)"),
            ("-WRONGPASS no\r\n", "WRONGPASS no"),
        ] {
            let mut requester = RespRequester::new(16).with_login(login.clone());
            requester.open(&mut Vec::new());
            let mut seen = Vec::new();
            let each = |reply: Reply<'_>| seen.push(reply.body.to_vec());
            assert_eq!(requester.decode(reply.as_bytes(), each), Ok(()));
            assert_eq!(seen, [told.as_bytes().to_vec()]);
        }
    }

    #[test]
    fn a_length_that_no_buffer_can_have_is_over_any_limit() {
        let longest = usize::MAX;
        let decoded =
            RespRequester::new(longest).decode(format!("${longest}\r\n").as_bytes(), |_| {});
        assert!(matches!(decoded, Err(Malformed::TooLong(_))), "{decoded:?}");
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
