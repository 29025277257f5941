//! As much of HTTP/1.1 as stock tools need to drive the server, and as the load generator
//! needs to drive a web server. `GET` and `HEAD` of a path are answered with it, `POST` and
//! `PUT` with their body. Knows no resources, no chunked requests and no other version.

use std::mem::MaybeUninit;
use std::ops::ControlFlow;

use httparse::{Header, Status};

use crate::carry_over::CarryOver;
use crate::http_head::{FIELDS, Framing, HeadEnd};
use crate::line::ECHO_PREFIX;
use crate::{Flow, Replies, Respond, WriteMode};

/// Most fields of a request: what a proxy with much to tell may add, and no more work than
/// one read is worth.
const MOST_FIELDS: usize = 1024;

/// The server's side of HTTP.
#[derive(Debug)]
pub struct HttpResponder {
    max_message: usize,
    /// The unfinished request.
    partial: CarryOver,
    end: HeadEnd,
    /// The head of the unfinished request, once it is whole.
    head: Option<Head>,
    finished: bool,
}

/// What a request wants, apart from its path and its body.
#[derive(Debug, Clone, Copy)]
struct Head {
    method: Method,
    /// Bytes before the body.
    length: usize,
    body: usize,
    /// Where the path is within the head.
    path: (usize, usize),
    persistence: Persistence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    /// `POST` or `PUT`.
    Send,
}

/// What becomes of the connection after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Persistence {
    /// It goes on, as is usual since HTTP/1.1.
    Usual,
    /// It goes on because an old client asked for it, and wants to be told.
    Asked,
    /// It ends.
    Close,
}

/// Why a request is refused and the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("malformed request")]
    Malformed,
    #[error("no Host field, which HTTP/1.1 requires")]
    NoHost,
    #[error("more than one Host field")]
    ManyHosts,
    #[error("invalid Host field")]
    InvalidHost,
    #[error("method not allowed")]
    Method,
    #[error("length required, chunked bodies are not read")]
    LengthRequired,
    #[error("body too long (limit {0} bytes)")]
    LongBody(usize),
    #[error("head too long (limit 16384 bytes)")]
    LongHead,
    #[error("too many fields (limit {MOST_FIELDS})")]
    ManyFields,
    #[error("server full")]
    Full,
}

impl Refusal {
    fn status_line(self) -> &'static str {
        match self {
            Self::Malformed | Self::NoHost | Self::ManyHosts | Self::InvalidHost => {
                "400 Bad Request\r\n"
            }
            Self::Method => "405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT\r\n",
            Self::LengthRequired => "411 Length Required\r\n",
            Self::LongBody(_) => "413 Content Too Large\r\n",
            Self::LongHead | Self::ManyFields => "431 Request Header Fields Too Large\r\n",
            Self::Full => "503 Service Unavailable\r\n",
        }
    }

    fn tell(self, replies: &mut Replies) {
        let text = format!("ERROR: {self}");
        replies.count_error();
        replies.push(b"HTTP/1.1 ");
        replies.push(self.status_line().as_bytes());
        replies.push(b"Content-Type: text/plain\r\nContent-Length: ");
        replies.push_decimal(text.len());
        replies.push(b"\r\nConnection: close\r\n\r\n");
        replies.push(text.as_bytes());
    }
}

/// What a client is told that a full server turns away.
pub(crate) fn server_full() -> Vec<u8> {
    let mut replies = Replies::new(WriteMode::Whole);
    Refusal::Full.tell(&mut replies);
    replies.bytes().to_vec()
}

impl HttpResponder {
    /// Accepts bodies of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            partial: CarryOver::default(),
            end: HeadEnd::default(),
            head: None,
            finished: false,
        }
    }
}

/// The head of the request that `bytes` begin with, if it is whole.
fn read_head(
    end: &mut HeadEnd,
    bytes: &[u8],
    max_message: usize,
) -> Result<Option<(Head, bool)>, Refusal> {
    let found = end.find(bytes).map_err(|_| Refusal::LongHead)?;
    let Some(length) = found else { return Ok(None) };
    match understand::<FIELDS>(&bytes[..length], max_message) {
        Err(Refusal::ManyFields) => understand_many(&bytes[..length], max_message),
        understood => understood,
    }
    .map(Some)
}

/// Apart, so that requests with a usual head don't carry the room for an unusual one on their
/// stack.
#[cold]
#[inline(never)]
fn understand_many(head: &[u8], max_message: usize) -> Result<(Head, bool), Refusal> {
    understand::<MOST_FIELDS>(head, max_message)
}

/// What a whole head of at most `MOST` fields says, and whether the client waits to be told
/// to go on.
#[inline]
fn understand<const MOST: usize>(
    bytes: &[u8],
    max_message: usize,
) -> Result<(Head, bool), Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::ManyFields),
        Ok(Status::Partial) | Err(_) => return Err(Refusal::Malformed),
    }
    let (Some(method), Some(path), Some(minor)) =
        (request.method, request.path, request.version)
    else {
        return Err(Refusal::Malformed);
    };
    let framing = Framing::of(request.headers).ok_or(Refusal::Malformed)?;
    check_host(request.headers, minor)?;
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" | "PUT" => Method::Send,
        _ => return Err(Refusal::Method),
    };
    if framing.chunked {
        return Err(Refusal::LengthRequired);
    }
    let body = framing.length.unwrap_or(0);
    if body > max_message {
        return Err(Refusal::LongBody(max_message));
    }
    let persistence = match (framing.close, minor, framing.keep_alive) {
        (true, ..) | (_, 0, false) => Persistence::Close,
        (_, 0, true) => Persistence::Asked,
        _ => Persistence::Usual,
    };
    // The path is a part of `bytes`: only where is kept, since they may move.
    let start = path.as_ptr().addr() - bytes.as_ptr().addr();
    let path = (start, start + path.len());
    let waits = framing.expects_continue && minor > 0;
    Ok((Head { method, length: bytes.len(), body, path, persistence }, waits))
}

/// Whether there is the one `Host` field that there must be (RFC 9112 section 3.2). One that
/// two readers could understand differently is refused, though nothing here uses it.
fn check_host(fields: &[Header<'_>], minor: u8) -> Result<(), Refusal> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("Host"));
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(Refusal::ManyHosts),
        (None, None) if minor > 0 => Err(Refusal::NoHost),
        (Some(host), None) if !host.value.iter().copied().all(may_be_in_host) => {
            Err(Refusal::InvalidHost)
        }
        _ => Ok(()),
    }
}

/// What a host and its port are made of (RFC 3986 section 3.2.2).
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// Answers a whole request; whether the connection goes on.
fn answer(head: Head, bytes: &[u8], replies: &mut Replies) -> ControlFlow<()> {
    let path = &bytes[head.path.0..head.path.1];
    let body = &bytes[head.length..head.length + head.body];
    replies.push(b"HTTP/1.1 200 OK\r\nContent-Type: ");
    let (kind, length) = match head.method {
        Method::Get | Method::Head => (&b"text/plain"[..], ECHO_PREFIX.len() + path.len()),
        Method::Send => (&b"application/octet-stream"[..], body.len()),
    };
    replies.push(kind);
    replies.push(b"\r\nContent-Length: ");
    replies.push_decimal(length);
    replies.push(match head.persistence {
        Persistence::Usual => &b"\r\n\r\n"[..],
        Persistence::Asked => b"\r\nConnection: keep-alive\r\n\r\n",
        Persistence::Close => b"\r\nConnection: close\r\n\r\n",
    });
    replies.end_prefix();
    match head.method {
        Method::Get => {
            replies.push(ECHO_PREFIX);
            replies.push(path);
        }
        Method::Head => {}
        Method::Send => replies.push(body),
    }
    replies.end_message();
    match head.persistence {
        Persistence::Close => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

impl Respond for HttpResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let Self { max_message, partial, end, head, finished } = self;
        let fed = partial.feed(input, |bytes| {
            let mut used = 0;
            while used < bytes.len() {
                let rest = &bytes[used..];
                let known = if let Some(known) = *head {
                    known
                } else {
                    let Some((read, waits)) = read_head(end, rest, *max_message)? else {
                        break;
                    };
                    if waits {
                        replies.push(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    *head = Some(read);
                    read
                };
                let whole = known.length + known.body;
                if rest.len() < whole {
                    break;
                }
                used += whole;
                (*head, *end) = (None, HeadEnd::default());
                if answer(known, rest, replies).is_break() {
                    *finished = true;
                    return Ok(bytes.len());
                }
            }
            Ok(used)
        });
        if let Err(refusal) = fed {
            Refusal::tell(refusal, replies);
            *finished = true;
        }
        if *finished { Flow::Finish } else { Flow::Open }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        // Empty lines before a request are none of it (RFC 9112 section 2.2); old clients send
        // one after a body.
        let begun = self.partial.bytes().iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        if !self.finished && begun {
            replies.count_error();
        }
        self.finished = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says to `script`, which it gets in pieces of `piece` bytes.
    fn replies(script: &str, piece: usize) -> (String, Flow, u64) {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = HttpResponder::new(16);
        let mut flow = Flow::Open;
        for piece in script.as_bytes().chunks(piece) {
            flow = responder.receive(piece, &mut replies);
        }
        let text = String::from_utf8(replies.bytes().to_vec()).unwrap();
        (text, flow, replies.errors())
    }

    fn check(script: &str, expected: &str, flow: Flow, errors: u64) {
        for piece in [1, 2, 7, 100_000] {
            let (seen, flowed, counted) = replies(script, piece);
            assert_eq!(seen, expected, "{script:.60} in pieces of {piece}");
            assert_eq!((flowed, counted), (flow, errors), "{script:.60} in pieces of {piece}");
        }
    }

    fn ok(kind: &str, extra: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{extra}\r\n{body}"
        )
    }

    fn refused(status: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let script = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n\
                      POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
                      PUT /x HTTP/1.1\r\nhost:\r\nContent-Length: 0\r\n\r\n\r\n\
                      GET / HTTP/1.1\nHost: [::1]:80\n\n";
        let expected = ok("text/plain", "", "ECHO: /a?b=c")
            + &ok("application/octet-stream", "", "hello")
            + &ok("application/octet-stream", "", "")
            + &ok("text/plain", "", "ECHO: /");
        check(script, &expected, Flow::Open, 0);
    }

    #[test]
    fn head_tells_the_length_and_sends_no_body() {
        let expected =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n";
        check("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", expected, Flow::Open, 0);
    }

    #[test]
    fn the_connection_ends_when_the_client_says_so_or_is_of_old() {
        let close = ok("text/plain", "Connection: close\r\n", "ECHO: /");
        let after = "GET /no HTTP/1.1\r\nHost: x\r\n\r\n";
        let script = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n{after}");
        check(&script, &close, Flow::Finish, 0);
        check(&format!("GET / HTTP/1.0\r\n\r\n{after}"), &close, Flow::Finish, 0);
        let keep = ok("text/plain", "Connection: keep-alive\r\n", "ECHO: /");
        check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &keep, Flow::Open, 0);
    }

    #[test]
    fn a_client_that_waits_to_send_its_body_is_asked_to_go_on() {
        let script = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\
                      Expect: 100-continue\r\n\r\nhi";
        let expected = "HTTP/1.1 100 Continue\r\n\r\n".to_owned()
            + &ok("application/octet-stream", "", "hi");
        check(script, &expected, Flow::Open, 0);
    }

    #[test]
    fn a_head_may_have_as_many_fields_as_a_proxy_may_add() {
        for count in [FIELDS, FIELDS + 1, 500, 1022] {
            let fields = "a: b\r\n".repeat(count);
            let script =
                format!("PUT / HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: 2\r\n\r\nhi");
            check(&script, &ok("application/octet-stream", "", "hi"), Flow::Open, 0);
        }
    }

    #[test]
    fn each_refusal_has_its_status_and_ends_the_connection() {
        let malformed = refused("400 Bad Request", "ERROR: malformed request");
        let method = refused(
            "405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT",
            "ERROR: method not allowed",
        );
        let chunked = refused(
            "411 Length Required",
            "ERROR: length required, chunked bodies are not read",
        );
        let long = refused("413 Content Too Large", "ERROR: body too long (limit 16 bytes)");
        let head = refused(
            "431 Request Header Fields Too Large",
            "ERROR: head too long (limit 16384 bytes)",
        );
        let many = refused(
            "431 Request Header Fields Too Large",
            "ERROR: too many fields (limit 1024)",
        );
        let fields = "a: b\r\n".repeat(1025);
        let path = "x".repeat(16 * 1024);
        for (script, expected) in [
            ("nonsense\r\n\r\n".to_owned(), &malformed),
            ("GET / HTTP/2.0\r\n\r\n".to_owned(), &malformed),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(),
                &malformed,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(), &malformed),
            ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n".into(), &method),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                    .into(),
                &chunked,
            ),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n".into(), &long),
            (format!("GET /{path} HTTP/1.1\r\n\r\n"), &head),
            (format!("GET / HTTP/1.1\r\n{fields}\r\n"), &many),
        ] {
            check(&script, expected, Flow::Finish, 1);
        }
    }

    #[test]
    fn a_request_has_one_host_or_is_refused() {
        let refused = |text: &str| refused("400 Bad Request", &format!("ERROR: {text}"));
        let missing = refused("no Host field, which HTTP/1.1 requires");
        let several = refused("more than one Host field");
        let invalid = refused("invalid Host field");
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n", &missing),
            ("GET / HTTP/1.1\r\nX-Host: a\r\n", &missing),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", &several),
            ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n", &several),
            ("GET / HTTP/1.1\r\nHost: a b\r\n", &invalid),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n", &invalid),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n", &missing),
        ] {
            check(&format!("{head}\r\nhi"), expected, Flow::Finish, 1);
        }
    }

    #[test]
    fn empty_lines_after_the_last_request_are_no_error_and_half_a_request_is() {
        let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
        for (rest, errors) in [("", 0), ("\r\n", 0), ("\r\n\r\n", 0), ("\r", 0), ("\r\nG", 1)] {
            let mut replies = Replies::new(WriteMode::Whole);
            let mut responder = HttpResponder::new(16);
            let script = format!("{body}{rest}");
            let flow = responder.receive(script.as_bytes(), &mut replies);
            assert_eq!(flow, Flow::Open, "{rest:?}");
            responder.end_of_input(&mut replies);
            assert_eq!((replies.messages(), replies.errors()), (1, errors), "{rest:?}");
        }
    }
}
