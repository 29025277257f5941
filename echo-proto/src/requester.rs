//! The client's side of a protocol: [`Request`], and [`Requester`], the closed set of its
//! implementations. Refuses to keep requests: who sent what, and when, is the caller's.

use crate::{
    CommandRequester, FrameRequester, FrameTooLong, HttpHost, HttpRequester, LineRequester,
    LineTooLong, MuxRequester, RawRequester, RespRequester, http_reply,
};

/// Which request a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The oldest request of the connection that has no reply yet.
    Oldest,
    /// The oldest request of this stream that has no reply yet.
    OldestOf(u32),
}

/// What a reply says, apart from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The body is the echo.
    Echo,
    /// The server answered with an error; the body is its text.
    Error,
    /// Neither an echo nor an error of the protocol; the body is all of it.
    Unexpected,
}

/// One whole reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The request that it answers.
    pub answers: Answers,
    /// Echo, error, or neither.
    pub outcome: Outcome,
    /// The status, where the protocol has one beside the body.
    pub status: Option<u16>,
    /// The reply without framing and prefix.
    pub body: &'a [u8],
}

/// Bytes from a server that are no reply of the protocol. The connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line longer than any reply to our messages.
    #[error(transparent)]
    LineTooLong(#[from] LineTooLong),
    /// A frame longer than any reply to our messages.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// More bytes than were sent, in a protocol without framing.
    #[error("{0} bytes arrived that no request asked for")]
    Unsolicited(usize),
    /// Not the Redis protocol.
    #[error("not a reply of the Redis protocol")]
    NotResp,
    /// Not HTTP/1.
    #[error("not an HTTP/1 reply")]
    NotHttp,
    /// HTTP/1, and broken.
    #[error("invalid HTTP reply: {0}")]
    Http(#[from] HttpFault),
    /// A reply of the protocol that is longer than it may be.
    #[error("the reply is longer than the limit of {0} bytes")]
    TooLong(usize),
    /// Fields of an HTTP reply that are more than they may be.
    #[error(
        "the head of the HTTP reply is over the limit of {} bytes or {} fields",
        http_reply::MOST_HEAD,
        http_reply::MOST_FIELDS
    )]
    HeadTooLong,
}

/// What is wrong with an HTTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// Its status line or a field.
    #[error("malformed status line or header field")]
    Head,
    /// Its length.
    #[error("Content-Length is not a number, or contradicts another one")]
    Length,
    /// A chunk of its body.
    #[error("malformed chunk")]
    Chunk,
}

impl Malformed {
    /// Whether a reply may be right, and only a limit of ours was passed.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::LineTooLong(_)
            | Self::FrameTooLong(_)
            | Self::TooLong(_)
            | Self::HeadTooLong => true,
            Self::Unsolicited(_) | Self::NotResp | Self::NotHttp | Self::Http(_) => false,
        }
    }
}

/// The client's side of one connection of a protocol.
pub trait Request {
    /// Appends the wire form of request number `number` (from 0, per connection) to `wire`.
    ///
    /// # Panics
    /// Never for a payload that [`ProtocolKind::check_message`](crate::ProtocolKind::check_message)
    /// accepts; the server answers any other in its own way.
    fn encode(&mut self, number: u64, payload: &[u8], wire: &mut Vec<u8>);

    /// Takes all of `input` and calls `each` with every reply that it completes, in order.
    fn decode(&mut self, input: &[u8], each: impl FnMut(Reply<'_>)) -> Result<(), Malformed>;

    /// The server has ended the connection in order: calls `each` with the reply that ends
    /// thereby, where the protocol has such.
    fn end_of_input(&mut self, _each: impl FnMut(Reply<'_>)) {}

    /// Bytes of a reply that has begun and not ended.
    fn partial(&self) -> &[u8];

    /// Whether the server has said that it ends the connection after the last reply.
    fn is_over(&self) -> bool {
        false
    }
}

/// The client's side of one connection, whichever its protocol.
#[derive(Debug)]
#[non_exhaustive]
pub enum Requester {
    /// See [`LineRequester`].
    Line(LineRequester),
    /// See [`RawRequester`].
    Raw(RawRequester),
    /// See [`FrameRequester`].
    Frame(FrameRequester),
    /// See [`CommandRequester`].
    Command(CommandRequester),
    /// See [`MuxRequester`].
    Mux(MuxRequester),
    /// See [`RespRequester`].
    Resp(RespRequester),
    /// See [`HttpRequester`]. In a box, as it is by far the largest.
    Http(Box<HttpRequester>),
}

impl Requester {
    /// The same with the site that HTTP requests are for; other protocols name none.
    #[must_use]
    pub fn for_http_host(self, host: &HttpHost) -> Self {
        match self {
            Self::Http(http) => Self::Http(Box::new(http.for_host(host.clone()))),
            other => other,
        }
    }
}

impl Request for Requester {
    #[inline]
    fn encode(&mut self, number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        match self {
            Self::Line(line) => line.encode(number, payload, wire),
            Self::Raw(raw) => raw.encode(number, payload, wire),
            Self::Frame(frame) => frame.encode(number, payload, wire),
            Self::Command(command) => command.encode(number, payload, wire),
            Self::Mux(mux) => mux.encode(number, payload, wire),
            Self::Resp(resp) => resp.encode(number, payload, wire),
            Self::Http(http) => http.encode(number, payload, wire),
        }
    }

    #[inline]
    fn decode(&mut self, input: &[u8], each: impl FnMut(Reply<'_>)) -> Result<(), Malformed> {
        match self {
            Self::Line(line) => line.decode(input, each),
            Self::Raw(raw) => raw.decode(input, each),
            Self::Frame(frame) => frame.decode(input, each),
            Self::Command(command) => command.decode(input, each),
            Self::Mux(mux) => mux.decode(input, each),
            Self::Resp(resp) => resp.decode(input, each),
            Self::Http(http) => http.decode(input, each),
        }
    }

    fn end_of_input(&mut self, each: impl FnMut(Reply<'_>)) {
        // Any other reply tells its own end.
        if let Self::Http(http) = self {
            http.end_of_input(each);
        }
    }

    fn partial(&self) -> &[u8] {
        match self {
            Self::Line(line) => line.partial(),
            Self::Raw(raw) => raw.partial(),
            Self::Frame(frame) => frame.partial(),
            Self::Command(command) => command.partial(),
            Self::Mux(mux) => mux.partial(),
            Self::Resp(resp) => resp.partial(),
            Self::Http(http) => http.partial(),
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        matches!(self, Self::Http(http) if http.is_over())
    }
}
