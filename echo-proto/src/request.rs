//! The client's side of a protocol: [`Request`], its [`Reply`], and invalid replies,
//! [`Malformed`]. Requests are not stored: the caller tracks who sent what, and when.

use crate::length_prefix::FrameTooLong;
use crate::line_splitter::LineTooLong;

/// Maximum size of the status line and header fields of an HTTP reply, in bytes; cookies and
/// policies may be long.
pub(crate) const MOST_REPLY_HEAD: usize = 64 * 1024;

/// Maximum number of header fields of an HTTP reply.
pub(crate) const MOST_REPLY_FIELDS: usize = 1024;

/// Which request a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The oldest request of the connection that has no reply yet.
    Oldest,
    /// The oldest request of this stream that has no reply yet.
    OldestOf(u32),
}

/// Kind of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The body is the echo.
    Echo,
    /// The server answered with an error; the body is its text.
    Error,
    /// Neither an echo nor a protocol error; the body is all of it.
    Unexpected,
}

/// One complete reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The request that it answers.
    pub answers: Answers,
    /// Echo, error, or neither.
    pub outcome: Outcome,
    /// The status code, in protocols that have one.
    pub status: Option<u16>,
    /// The reply without framing and prefix.
    pub body: &'a [u8],
}

/// Bytes from a server that are not a valid reply. The connection is unusable afterwards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line longer than any expected reply.
    #[error(transparent)]
    LineTooLong(#[from] LineTooLong),
    /// A frame longer than any expected reply.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// More bytes than were sent, in a protocol without framing.
    #[error("{0} unsolicited bytes received")]
    Unsolicited(usize),
    /// Not the Redis protocol.
    #[error("not a reply of the Redis protocol")]
    NotResp,
    /// Not HTTP/1.
    #[error("not an HTTP/1 reply")]
    NotHttp,
    /// Invalid HTTP/1.
    #[error("invalid HTTP reply: {0}")]
    Http(#[from] HttpFault),
    /// Not the PostgreSQL protocol.
    #[error("not a reply of the PostgreSQL protocol")]
    NotPostgres,
    /// The start-up of a connection failed on this side.
    #[error(transparent)]
    Opening(#[from] OpeningFault),
    /// A reply over the limit.
    #[error("the reply exceeds the limit of {0} bytes")]
    TooLong(usize),
    /// An HTTP head over the limit.
    #[error(
        "the HTTP reply head exceeds the limit of {} bytes or {} fields",
        MOST_REPLY_HEAD,
        MOST_REPLY_FIELDS
    )]
    HeadTooLong,
}

/// Why a client can't open a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpeningFault {
    /// There is no password.
    #[error("the server asks for a password")]
    NoPassword,
    /// The server wants another proof than a password.
    #[error(
        "the server asks for {}, which is not supported (password, md5 and scram-sha-256 are: see \
         its pg_hba.conf)",
        method_of_postgres(*.0)
    )]
    Method(u32),
    /// The server wants another kind of SASL.
    #[error(
        "the server offers no SASL mechanism that is supported (SCRAM-SHA-256 is; \
         SCRAM-SHA-256-PLUS, with channel binding, and OAUTHBEARER are not)"
    )]
    Mechanism,
    /// A message of the server that SCRAM does not allow.
    #[error("the server's SCRAM-SHA-256 message is malformed")]
    Scram,
    /// The server did not prove that it knows the password.
    #[error(
        "the server did not prove that it knows the password (its SCRAM-SHA-256 signature is wrong \
         or missing); it may not be the server that you mean"
    )]
    Unproven,
}

/// The name of an authentication method, by the number in its request.
fn method_of_postgres(number: u32) -> String {
    let name = match number {
        2 => "Kerberos V5",
        6 => "SCM credentials",
        7 => "GSSAPI",
        9 => "SSPI",
        _ => return format!("authentication method {number}"),
    };
    format!("{name} authentication")
}

/// What is wrong with an HTTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// Malformed status line or header field.
    #[error("malformed status line or header field")]
    Head,
    /// Invalid or conflicting Content-Length.
    #[error("invalid or conflicting Content-Length")]
    Length,
    /// Malformed chunk.
    #[error("malformed chunk")]
    Chunk,
    /// Chunks with far more framing and extensions than data.
    #[error("chunk extensions exceed the data by far")]
    Padding,
}

impl Malformed {
    /// Whether the reply may be valid and only exceeds a limit of ours.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::LineTooLong(_)
            | Self::FrameTooLong(_)
            | Self::TooLong(_)
            | Self::HeadTooLong => true,
            Self::Unsolicited(_)
            | Self::NotResp
            | Self::NotHttp
            | Self::NotPostgres
            | Self::Opening(_)
            | Self::Http(_) => false,
        }
    }
}

/// The client's side of one connection of a protocol.
pub trait Request {
    /// Appends what the client has to say before requests, in protocols where a connection is
    /// opened first; afterwards, as long as it is [not open](Self::is_open), what it answers to
    /// the replies so far. Where this is never called, the first request says it, and a server
    /// that asks for more is an error.
    fn open(&mut self, _wire: &mut Vec<u8>) {}

    /// Whether requests can be sent: of a connection that was begun to be opened.
    fn is_open(&self) -> bool {
        true
    }

    /// Appends the wire form of request number `number` (from 0, per connection) to `wire`.
    ///
    /// # Panics
    /// Never for a payload that
    /// [`ProtocolKind::check_message`](crate::ProtocolKind::check_message) accepts; the
    /// server's reply to any other is its own.
    fn encode(&mut self, number: u64, payload: &[u8], wire: &mut Vec<u8>);

    /// Consumes all of `input` and calls `each` with every completed reply, in order.
    fn decode(&mut self, input: &[u8], each: impl FnMut(Reply<'_>)) -> Result<(), Malformed>;

    /// The server closed the connection gracefully: calls `each` with the reply that this
    /// completes, where the protocol has such replies.
    fn end_of_input(&mut self, _each: impl FnMut(Reply<'_>)) {}

    /// Bytes of an incomplete reply.
    fn partial(&self) -> &[u8];

    /// Whether the server announced that it closes the connection after the last reply.
    fn is_over(&self) -> bool {
        false
    }
}
