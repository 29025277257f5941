//! The client's side of HTTP/1.1: [`HttpRequester`]. A message that is a valid path is sent as
//! `GET`; any other as the body of a `POST`. Redirects are not followed.

use std::collections::VecDeque;
use std::ops::Range;

use super::reply::{ReplyReader, Whole};
use crate::carry_over::CarryOver;
use crate::line::ECHO_PREFIX;
use crate::{Answers, HttpHost, Malformed, Outcome, Reply, Request, decimal};

/// Maximum path length; with its header fields it fits the limits of common servers.
const LONGEST_PATH: usize = 4096;

/// Minimum body limit: web servers send their own error pages.
const PAGE: usize = 1024 * 1024;

/// The client's side of HTTP/1.1. A message that is a valid path (`/` and printable ASCII) is
/// sent as `GET`; any other as the body of a `POST`.
#[derive(Debug)]
pub struct HttpRequester {
    host: HttpHost,
    /// Whether each pending request is a `GET`, oldest first.
    asked_for_path: VecDeque<bool>,
    partial: CarryOver,
    reader: ReplyReader,
    /// The server closes the connection after the last reply (RFC 9112 section 9.6).
    over: bool,
}

impl HttpRequester {
    /// Expects replies to messages of at most `max_message` bytes. The `Host` is `localhost`
    /// unless set by [`Requester::for_http_host`](crate::Requester::for_http_host).
    pub fn new(max_message: usize) -> Self {
        Self {
            host: HttpHost::default(),
            asked_for_path: VecDeque::new(),
            partial: CarryOver::default(),
            reader: ReplyReader::new(max_message.max(PAGE)),
            over: false,
        }
    }

    /// Sets the `Host` of requests.
    #[must_use]
    pub(crate) fn for_host(self, host: HttpHost) -> Self {
        Self { host, ..self }
    }

    /// Reports a reply unless it is an interim one.
    fn tell(
        asked_for_path: &mut VecDeque<bool>,
        over: &mut bool,
        whole: &Whole,
        body: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) {
        if whole.status < 200 {
            return; // The final response follows.
        }
        *over = whole.last;
        let path = asked_for_path.pop_front().unwrap_or(false);
        let (outcome, told) = read(whole, body, path);
        let (answers, status) = (Answers::Oldest, Some(whole.status));
        each(Reply { answers, outcome, status, body: &body[told] });
    }
}

/// Whether a message is sent as `GET`.
fn is_path(message: &[u8]) -> bool {
    message.len() <= LONGEST_PATH
        && message.first() == Some(&b'/')
        && message.iter().all(u8::is_ascii_graphic)
}

/// The outcome of a reply, and its body without the echo prefix.
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
        wire.reserve(payload.len() + self.host.as_str().len() + 64);
        if path {
            wire.extend_from_slice(b"GET ");
            wire.extend_from_slice(payload);
        } else {
            wire.extend_from_slice(b"POST /");
        }
        wire.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        wire.extend_from_slice(self.host.as_str().as_bytes());
        if path {
            wire.extend_from_slice(b"\r\n\r\n");
        } else {
            wire.extend_from_slice(b"\r\nContent-Length: ");
            decimal::append(payload.len(), wire);
            wire.extend_from_slice(b"\r\n\r\n");
            wire.extend_from_slice(payload);
        }
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        let Self { asked_for_path, partial, reader, over, .. } = self;
        partial.feed(input, |bytes| {
            let mut used = 0;
            while used < bytes.len() {
                let rest = &bytes[used..];
                let (length, whole) = reader.next(rest)?;
                used += length;
                let Some(whole) = whole else { break };
                let body = match whole.body.clone() {
                    Some(place) => &rest[place],
                    None => reader.body(),
                };
                Self::tell(asked_for_path, over, &whole, body, &mut each);
            }
            Ok(used)
        })
    }

    fn end_of_input(&mut self, each: impl FnMut(Reply<'_>)) {
        let Self { asked_for_path, reader, over, .. } = self;
        if let Some(whole) = reader.end_of_input() {
            Self::tell(asked_for_path, over, &whole, reader.body(), each);
        }
    }

    fn partial(&self) -> &[u8] {
        match self.reader.partial() {
            [] => self.partial.bytes(),
            joined => joined,
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HttpFault;

    type Seen = Vec<(Outcome, String)>;

    fn seen(asked: &[&str], stream: &str, piece: usize) -> Result<Seen, Malformed> {
        let mut requester = HttpRequester::new(64);
        let mut wire = Vec::new();
        for (number, message) in (0..).zip(asked) {
            requester.encode(number, message.as_bytes(), &mut wire);
        }
        let mut seen = Vec::new();
        let mut each = |reply: Reply<'_>| {
            seen.push((reply.outcome, String::from_utf8(reply.body.to_vec()).unwrap()));
        };
        for piece in stream.as_bytes().chunks(piece) {
            requester.decode(piece, &mut each)?;
        }
        requester.end_of_input(each);
        Ok(seen)
    }

    #[test]
    fn a_path_is_asked_for_and_any_other_message_sent() {
        let site = "site.example:81".parse().unwrap();
        for (mut requester, host) in [
            (HttpRequester::new(64), "localhost"),
            (HttpRequester::new(64).for_host(site), "site.example:81"),
        ] {
            let mut wire = Vec::new();
            requester.encode(0, b"/a?b", &mut wire);
            requester.encode(1, b"/a b", &mut wire);
            let expected = format!(
                "GET /a?b HTTP/1.1\r\nHost: {host}\r\n\r\n\
                 POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\n/a b"
            );
            assert_eq!(String::from_utf8(wire).unwrap(), expected);
        }
    }

    #[test]
    fn replies_are_read_whatever_their_framing_and_the_pieces() {
        let stream = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nECHO: /x\
                      HTTP/1.1 100 Continue\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nECHO: /x\
                      HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n\
                      HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\
                      1\r\nf\r\n0\r\nChecksum: 1\r\nServer-Timing: x\r\n\r\n\
                      HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno\
                      HTTP/1.1 204 No Content\r\n\r\n";
        let expected = [
            (Outcome::Echo, "/x"),
            (Outcome::Echo, "ECHO: /x"),
            (Outcome::Echo, "abcde"),
            (Outcome::Echo, "f"),
            (Outcome::Error, "no"),
            (Outcome::Echo, ""),
        ]
        .map(|(outcome, body)| (outcome, body.to_owned()));
        for piece in 1..=stream.len() {
            let seen = seen(&["/x", "ECHO: /x", "/y", "/y", "/z", "z"], stream, piece);
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

    /// RFC 9112 section 6.3: without a length and without chunks, the end of the connection
    /// is the end of the body.
    #[test]
    fn a_body_may_end_with_the_connection() {
        for head in [
            "HTTP/1.1 200 OK\r\nConnection: close",
            "HTTP/1.1 200 OK",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3",
        ] {
            let stream = format!("{head}\r\n\r\nECHO: /x");
            for piece in 1..=stream.len() {
                let expected = Ok(vec![(Outcome::Echo, "/x".to_owned())]);
                assert_eq!(
                    seen(&["/x"], &stream, piece),
                    expected,
                    "{head}, pieces of {piece}"
                );
            }
        }
        let mut requester = HttpRequester::new(64);
        let none = |reply: Reply<'_>| panic!("{reply:?}");
        requester.decode(b"HTTP/1.1 200 OK\r\n\r\nhal", none).unwrap();
        assert_eq!(requester.partial(), b"HTTP/1.1 200 OK\r\n\r\nhal");
        assert!(!requester.is_over());
        requester.end_of_input(|_| ());
        assert!(requester.is_over());
        assert_eq!(requester.partial(), b"");
        // Self-delimiting replies are not complete before their end.
        for half in ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n1"] {
            let half = format!("HTTP/1.1 200 OK\r\n{half}");
            assert_eq!(seen(&["/x"], &half, 1000), Ok(Vec::new()));
        }
    }

    #[test]
    fn very_many_fields_are_read_and_what_is_over_a_limit_is_told_so() {
        let reply = |fields: usize, field: &str| {
            let fields = field.repeat(fields);
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1\r\n\r\nx")
        };
        let expected = Ok(vec![(Outcome::Echo, "x".to_owned())]);
        let cookie = format!("Set-Cookie: {}\r\n", "c".repeat(200));
        for fields in [65, 200] {
            assert_eq!(seen(&["/"], &reply(fields, &cookie), 1000), expected, "{fields}");
        }
        for over in [reply(1024, "a: b\r\n"), reply(400, &cookie)] {
            assert_eq!(seen(&["/"], &over, 1000), Err(Malformed::HeadTooLong));
        }
        let endless = "a: b\r\n".repeat(20_000);
        let trailer =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{endless}");
        assert_eq!(seen(&["/"], &trailer, 1000), Err(Malformed::HeadTooLong));
        let too_long = Err(Malformed::TooLong(PAGE));
        for body in [
            "Content-Length: 9999999999\r\n\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n".to_owned(),
            format!("\r\n{}", "x".repeat(PAGE + 10)),
        ] {
            let stream = format!("HTTP/1.1 200 OK\r\n{body}");
            assert_eq!(seen(&["/"], &stream, 1000), too_long, "{body:.40}");
        }
    }

    /// A body of many small chunks is fine; one whose chunks consist of extensions is cut off
    /// long before its limit.
    #[test]
    fn chunks_of_little_data_may_not_be_padded_without_end() {
        let reply = |chunks: usize, extension: &str| {
            let chunks = format!("1{extension}\r\nx\r\n").repeat(chunks);
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        };
        for extension in ["", ";a=b", ";ext=\"twelve\""] {
            let body = "x".repeat(1000);
            let whole = Ok(vec![(Outcome::Echo, body)]);
            assert_eq!(seen(&["/"], &reply(1000, extension), 1000), whole, "{extension}");
        }
        let padded = format!(";{}", "e".repeat(239));
        let few = Ok(vec![(Outcome::Echo, "x".repeat(50))]);
        assert_eq!(seen(&["/"], &reply(50, &padded), 1000), few);
        let refused = Err(Malformed::Http(HttpFault::Padding));
        for piece in [1, 7, 100_000] {
            assert_eq!(seen(&["/"], &reply(100, &padded), piece), refused, "pieces of {piece}");
        }
        let line = format!(";{}", "e".repeat(5000));
        for piece in [1, 100_000] {
            let refused = Err(Malformed::Http(HttpFault::Chunk));
            assert_eq!(seen(&["/"], &reply(1, &line), piece), refused, "pieces of {piece}");
        }
    }

    #[test]
    fn interim_replies_do_not_go_on_without_end() {
        let stream = |interim: usize| {
            let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(interim);
            format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        };
        let whole = || (Outcome::Echo, "x".to_owned());
        let twice = stream(1000) + &stream(1000);
        assert_eq!(seen(&["/", "/"], &twice, 1000), Ok(vec![whole(), whole()]));
        assert_eq!(seen(&["/"], &stream(2000), 1000), Err(Malformed::HeadTooLong));
    }

    #[test]
    fn a_length_that_no_buffer_can_have_is_over_any_limit() {
        let longest = usize::MAX;
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {longest}\r\n\r\n");
        let decoded = HttpRequester::new(longest).decode(reply.as_bytes(), |_| ());
        assert!(matches!(decoded, Err(Malformed::TooLong(_))), "{decoded:?}");
    }

    #[test]
    fn what_is_no_reply_is_told_by_its_cause() {
        let http = |fault| Err(Malformed::Http(fault));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (stream, cause) in [
            ("nonsense\r\n\r\n", Err(Malformed::NotHttp)),
            ("ECHO: POST / HTTP/1.1\n", Err(Malformed::NotHttp)),
            ("HTTP/2 ", Err(Malformed::NotHttp)),
            ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", http(HttpFault::Head)),
            ("HTTP/1.1 twohundred\r\n\r\n", http(HttpFault::Head)),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", http(HttpFault::Length)),
            (&format!("{chunked}1\r\nab\r\n"), http(HttpFault::Chunk)),
            (&format!("{chunked}x"), http(HttpFault::Chunk)),
        ] {
            for piece in [1, 1000] {
                assert_eq!(seen(&["/"], stream, piece), cause, "{stream}");
            }
        }
    }
}
