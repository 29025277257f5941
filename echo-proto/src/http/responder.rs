//! The server's side: [`HttpResponder`]. It answers `GET` and `HEAD` with the path, `POST` and
//! `PUT` with the body. It has no resources and refuses chunked requests.

use std::mem::MaybeUninit;
use std::ops::ControlFlow;

use httparse::{Header, Status};

use super::head::{FIELDS, Framing, HeadEnd};
use crate::carry_over::{self, CarryOver};
use crate::line::ECHO_PREFIX;
use crate::{Flow, Replies, Respond, WriteMode};

/// Maximum number of header fields: enough for proxies that add many, and bounded in parsing
/// cost.
const MOST_FIELDS: usize = 1024;

/// The server's side of HTTP.
#[derive(Debug)]
pub struct HttpResponder {
    max_message: usize,
    /// The incomplete request.
    partial: CarryOver,
    end: HeadEnd,
    /// The head of the incomplete request, once it is complete itself.
    head: Option<Head>,
    finished: bool,
}

/// A parsed request head.
#[derive(Debug, Clone, Copy)]
struct Head {
    method: Method,
    /// Bytes before the body.
    length: usize,
    body: usize,
    /// Range of the path within the head.
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

/// Whether the connection is kept alive after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Persistence {
    /// Keep-alive by default (HTTP/1.1).
    Usual,
    /// Keep-alive requested by an HTTP/1.0 client, which needs a confirmation.
    Asked,
    /// The connection is closed.
    Close,
}

/// Why a request is refused and the connection closed.
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
    #[error("request not completed in time")]
    Late,
}

impl Refusal {
    fn status_line(self) -> &'static str {
        match self {
            Self::Malformed | Self::NoHost | Self::ManyHosts | Self::InvalidHost => {
                "400 Bad Request\r\n"
            }
            Self::Method => "405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT\r\n",
            Self::Late => "408 Request Timeout\r\n",
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

/// The reply to a connection over the limit.
pub(crate) fn server_full() -> Vec<u8> {
    let mut replies = Replies::new(WriteMode::Whole);
    Refusal::Full.tell(&mut replies);
    replies.bytes().to_vec()
}

impl HttpResponder {
    /// Accepts bodies of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message: carry_over::possible(max_message),
            partial: CarryOver::default(),
            end: HeadEnd::default(),
            head: None,
            finished: false,
        }
    }
}

/// Parses the head at the start of `bytes`, if it is complete.
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

/// Separate, so that requests with few header fields don't reserve stack space for many.
#[cold]
#[inline(never)]
fn understand_many(head: &[u8], max_message: usize) -> Result<(Head, bool), Refusal> {
    understand::<MOST_FIELDS>(head, max_message)
}

/// Parses a complete head of at most `MOST` fields; also whether the client expects `100
/// Continue`.
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
    // `bytes` may move, so the path is kept as a range.
    let start = path.as_ptr().addr() - bytes.as_ptr().addr();
    let path = (start, start + path.len());
    let waits = framing.expects_continue && minor > 0;
    Ok((Head { method, length: bytes.len(), body, path, persistence }, waits))
}

/// Checks for exactly one valid `Host` field (RFC 9112 section 3.2). An ambiguous one is
/// refused, although it is not used here.
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

/// Whether a byte is valid in a host and port (RFC 3986 section 3.2.2).
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

/// Replies to a complete request; whether the connection is kept alive.
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
        if !self.finished && self.unfinished() > 0 {
            replies.count_error();
        }
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        // Empty lines before a request are ignored (RFC 9112 section 2.2); old clients send one
        // after a body.
        let bytes = self.partial.bytes();
        let begun = bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        if begun { bytes.len() } else { 0 }
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            Refusal::Late.tell(replies);
        }
    }
}

#[cfg(test)]
mod tests;
