//! The client's side of a protocol: [`Request`], what a [`Reply`] says, and how one can be
//! [`Malformed`]. Refuses to keep requests: who sent what, and when, is the caller's.

use crate::length_prefix::FrameTooLong;
use crate::line_splitter::LineTooLong;

/// Most bytes of the status line and the fields of an HTTP reply: cookies and policies may be
/// long.
pub(crate) const MOST_REPLY_HEAD: usize = 64 * 1024;

/// Most fields of an HTTP reply.
pub(crate) const MOST_REPLY_FIELDS: usize = 1024;

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
        MOST_REPLY_HEAD,
        MOST_REPLY_FIELDS
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
