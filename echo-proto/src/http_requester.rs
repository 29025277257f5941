//! The client's side of HTTP/1.1: [`HttpRequester`]. A message that could be a path is
//! asked for with `GET`; any other is the body of a `POST`. Follows no redirection, and
//! reads no reply whose length only the end of the connection tells.

use std::collections::VecDeque;
use std::ops::Range;

use httparse::{EMPTY_HEADER, Status};

use crate::carry_over::CarryOver;
use crate::http_head::{FIELDS, Framing, HeadEnd};
use crate::line::ECHO_PREFIX;
use crate::{Answers, Malformed, Outcome, Reply, Request, decimal};

/// Longest path that is asked for: with the fields around it, every server takes it.
const LONGEST_PATH: usize = 4096;

/// Least limit of a reply's body: web servers answer with pages of their own.
const PAGE: usize = 1024 * 1024;

/// What every reply begins with.
const VERSION: &[u8] = b"HTTP/1.";

/// The fields of every request. A name, since HTTP/1.1 demands one and a server with
/// several sites needs one; which, only the caller of a socket knows.
const HOST: &[u8] = b" HTTP/1.1\r\nHost: localhost\r\n";

/// The client's side of HTTP/1.1. A message that could be a path (`/` and printable ASCII)
/// is asked for with `GET`; any other is the body of a `POST`.
#[derive(Debug)]
pub struct HttpRequester {
    /// Whether each request without a reply asks for a path, oldest first.
    asked_for_path: VecDeque<bool>,
    partial: CarryOver,
    progress: Progress,
    /// The last reply said that the connection ends with it (RFC 9112 section 9.6).
    over: bool,
}

/// How much of an unfinished reply is understood. Places count from its beginning.
#[derive(Debug)]
struct Progress {
    limit: usize,
    end: HeadEnd,
    head: Option<Head>,
    /// Where the next chunk begins.
    chunk: usize,
    /// Bodies of chunks, joined.
    joined: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    /// Bytes before the body.
    length: usize,
    body: Body,
    /// Whether the connection ends with this reply.
    last: bool,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Length(usize),
    Chunked,
}

impl HttpRequester {
    /// Expects replies to messages of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let progress = Progress {
            limit: max_message.max(PAGE).saturating_add(ECHO_PREFIX.len()),
            end: HeadEnd::default(),
            head: None,
            chunk: 0,
            joined: Vec::new(),
        };
        Self {
            asked_for_path: VecDeque::new(),
            partial: CarryOver::default(),
            progress,
            over: false,
        }
    }
}

/// Whether a message is asked for with `GET`.
fn is_path(message: &[u8]) -> bool {
    message.len() <= LONGEST_PATH
        && message.first() == Some(&b'/')
        && message.iter().all(u8::is_ascii_graphic)
}

/// A whole reply.
struct Whole {
    status: u16,
    /// Where its body is; `None`: it was in chunks and is joined.
    body: Option<Range<usize>>,
    length: usize,
    last: bool,
}

impl Progress {
    /// The reply that `bytes` begin with, if it is whole.
    fn next(&mut self, bytes: &[u8]) -> Result<Option<Whole>, Malformed> {
        let head = match self.head {
            Some(head) => head,
            None => match self.read_head(bytes)? {
                Some(head) => *self.head.insert(head),
                None => return Ok(None),
            },
        };
        let (body, length) = match head.body {
            Body::Length(body) => {
                let whole = head.length + body;
                if bytes.len() < whole {
                    return Ok(None);
                }
                (Some(head.length..whole), whole)
            }
            Body::Chunked => match self.join_chunks(bytes, head.length)? {
                Some(length) => (None, length),
                None => return Ok(None),
            },
        };
        (self.head, self.end) = (None, HeadEnd::default());
        Ok(Some(Whole { status: head.status, body, length, last: head.last }))
    }

    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<Head>, Malformed> {
        let found = self.end.find(bytes).map_err(|_| Malformed::NotHttp)?;
        let Some(length) = found else {
            // Not only once there is an empty line: what is no HTTP may never have one.
            let begun = bytes.trim_ascii_start();
            let seen = begun.len().min(VERSION.len());
            return if begun[..seen] == VERSION[..seen] {
                Ok(None)
            } else {
                Err(Malformed::NotHttp)
            };
        };
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let status = match response.parse(&bytes[..length]) {
            Ok(Status::Complete(_)) => response.code,
            Ok(Status::Partial) | Err(_) => None,
        };
        let is_old = response.version == Some(0);
        let status = status.ok_or(Malformed::NotHttp)?;
        let framing = Framing::of(response.headers).ok_or(Malformed::NotHttp)?;
        let body = match (status, framing) {
            (100..200 | 204 | 304, _) => Body::Length(0),
            (_, Framing { chunked: true, .. }) => Body::Chunked,
            (_, Framing { length: Some(body), .. }) if body <= self.limit => Body::Length(body),
            _ => return Err(Malformed::NotHttp),
        };
        let last = framing.close || (is_old && !framing.keep_alive);
        Ok(Some(Head { status, length, body, last }))
    }

    /// Joins the chunks that are whole; the length of the reply if all are.
    fn join_chunks(&mut self, bytes: &[u8], body: usize) -> Result<Option<usize>, Malformed> {
        if self.chunk == 0 {
            self.chunk = body;
            self.joined.clear();
        }
        loop {
            let rest = &bytes[self.chunk..];
            let (line, size) = match httparse::parse_chunk_size(rest) {
                Ok(Status::Complete(found)) => found,
                // A chunk's size is a few digits: what goes on for longer is none.
                Ok(Status::Partial) if rest.len() < 256 => return Ok(None),
                _ => return Err(Malformed::NotHttp),
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > self.limit - self.joined.len() {
                return Err(Malformed::NotHttp);
            }
            let Some(end) = rest.get(line + size..line + size + 2) else { return Ok(None) };
            if end != b"\r\n" {
                // Fields after the last chunk are legal, and no server sends them unasked.
                return Err(Malformed::NotHttp);
            }
            self.joined.extend_from_slice(&rest[line..line + size]);
            self.chunk += line + size + 2;
            if size == 0 {
                return Ok(Some(std::mem::take(&mut self.chunk)));
            }
        }
    }
}

/// What a reply says to a request, and the part of its body that tells.
fn read(whole: &Whole, body: &[u8], asked_for_path: bool) -> (Outcome, Range<usize>) {
    match whole.status {
        200..300 if asked_for_path && body.starts_with(ECHO_PREFIX) => {
            (Outcome::Echo, ECHO_PREFIX.len()..body.len())
        }
        200..300 => (Outcome::Echo, 0..body.len()),
        _ => (Outcome::Error, 0..body.len()),
    }
}

impl Request for HttpRequester {
    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        let path = is_path(payload);
        self.asked_for_path.push_back(path);
        wire.reserve(payload.len() + 64);
        if path {
            wire.extend_from_slice(b"GET ");
            wire.extend_from_slice(payload);
            wire.extend_from_slice(HOST);
        } else {
            wire.extend_from_slice(b"POST /");
            wire.extend_from_slice(HOST);
            wire.extend_from_slice(b"Content-Length: ");
            decimal::append(payload.len(), wire);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"\r\n");
        if !path {
            wire.extend_from_slice(payload);
        }
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let Self { asked_for_path, partial, progress, over } = self;
        partial.feed(input, |bytes| {
            let mut used = 0;
            while used < bytes.len() {
                let rest = &bytes[used..];
                let Some(whole) = progress.next(rest)? else { break };
                used += whole.length;
                if whole.status < 200 {
                    continue; // An interim reply: the real one follows.
                }
                let body = match whole.body.clone() {
                    Some(place) => &rest[place],
                    None => &progress.joined[..],
                };
                *over = whole.last;
                let path = asked_for_path.pop_front().unwrap_or(false);
                let (outcome, told) = read(&whole, body, path);
                let (answers, status) = (Answers::Oldest, Some(whole.status));
                each(Reply { answers, outcome, status, body: &body[told] });
            }
            Ok(used)
        })
    }

    fn partial(&self) -> &[u8] {
        self.partial.bytes()
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Vec<(Outcome, String)>;

    fn seen(asked: &[&str], stream: &str, piece: usize) -> Result<Seen, Malformed> {
        let mut requester = HttpRequester::new(64);
        let mut wire = Vec::new();
        for (number, message) in (0..).zip(asked) {
            requester.encode(number, message.as_bytes(), &mut wire);
        }
        let mut seen = Vec::new();
        for piece in stream.as_bytes().chunks(piece) {
            requester.decode(piece, |reply| {
                let body = String::from_utf8(reply.body.to_vec()).unwrap();
                seen.push((reply.outcome, body));
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn a_path_is_asked_for_and_any_other_message_sent() {
        let mut requester = HttpRequester::new(64);
        let mut wire = Vec::new();
        requester.encode(0, b"/a?b", &mut wire);
        requester.encode(1, b"/a b", &mut wire);
        let expected = "GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n\
                        POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n/a b";
        assert_eq!(String::from_utf8(wire).unwrap(), expected);
    }

    #[test]
    fn replies_are_read_whatever_their_framing_and_the_pieces() {
        let stream = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nECHO: /x\
                      HTTP/1.1 100 Continue\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nECHO: /x\
                      HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n\
                      HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno\
                      HTTP/1.1 204 No Content\r\n\r\n";
        let expected = [
            (Outcome::Echo, "/x"),
            (Outcome::Echo, "ECHO: /x"),
            (Outcome::Echo, "abcde"),
            (Outcome::Error, "no"),
            (Outcome::Echo, ""),
        ]
        .map(|(outcome, body)| (outcome, body.to_owned()));
        for piece in 1..=stream.len() {
            let seen = seen(&["/x", "ECHO: /x", "/y", "/z", "z"], stream, piece);
            assert_eq!(seen.unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_reply_that_is_the_last_of_its_connection_is_told() {
        for (head, last) in [
            ("HTTP/1.1 200 OK", false),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive", false),
            ("HTTP/1.1 200 OK\r\nConnection: close", true),
            ("HTTP/1.0 200 OK", true),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive", false),
        ] {
            let mut requester = HttpRequester::new(64);
            requester.encode(0, b"/", &mut Vec::new());
            let stream = format!("{head}\r\nContent-Length: 1\r\n\r\nx");
            let (all, end) = stream.as_bytes().split_at(stream.len() - 1);
            requester.decode(all, |_| panic!("it is not whole")).unwrap();
            assert!(!requester.is_over(), "{head}");
            requester.decode(end, |_| ()).unwrap();
            assert_eq!(requester.is_over(), last, "{head}");
        }
    }

    #[test]
    fn the_status_of_a_reply_is_told_and_an_interim_one_is_not() {
        let stream = "HTTP/1.1 100 Continue\r\n\r\n\
                      HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nECHO: /x\
                      HTTP/1.1 204 No Content\r\n\r\n";
        let mut told = Vec::new();
        let decoded = HttpRequester::new(64)
            .decode(stream.as_bytes(), |reply| told.push((reply.status, reply.outcome)));
        assert_eq!(decoded, Ok(()));
        assert_eq!(told, [(Some(500), Outcome::Error), (Some(204), Outcome::Echo)]);
    }

    #[test]
    fn what_is_no_reply_of_a_known_length_is_malformed() {
        for stream in [
            "nonsense\r\n\r\n",
            "ECHO: POST / HTTP/1.1\n",
            "HTTP/2 ",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",
        ] {
            for piece in [1, 1000] {
                assert_eq!(seen(&["/"], stream, piece), Err(Malformed::NotHttp), "{stream}");
            }
        }
    }
}
