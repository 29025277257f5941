//! Names a protocol and builds its two sides: [`ProtocolKind`], the one place that chooses.

use crate::{
    FrameRequester, FrameResponder, LineRequester, LineResponder, Outcome, RawRequester,
    RawResponder, Requester, Responder, line,
};

/// The protocols, as they are named in flags and reports.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ProtocolKind {
    /// `<text>\n` is answered with `ECHO: <text>\n`.
    #[default]
    Line,
    /// Every byte comes back, without framing (RFC 862).
    Raw,
    /// `[u32 big-endian length][payload]`, echoed as the same frame.
    Frame,
}

impl ProtocolKind {
    /// The server's side of a new connection.
    pub fn responder(self, max_message: usize) -> Responder {
        match self {
            Self::Line => Responder::Line(LineResponder::new(max_message)),
            Self::Raw => Responder::Raw(RawResponder),
            Self::Frame => Responder::Frame(FrameResponder::new(max_message)),
        }
    }

    /// The client's side of a new connection.
    pub fn requester(self, max_message: usize) -> Requester {
        match self {
            Self::Line => Requester::Line(LineRequester::new(max_message)),
            Self::Raw => Requester::Raw(RawRequester::default()),
            Self::Frame => Requester::Frame(FrameRequester::new(max_message)),
        }
    }

    /// The limit of a message's payload in bytes where the user sets none.
    pub fn default_max_message(self) -> usize {
        match self {
            Self::Line => 64 * 1024,
            Self::Raw | Self::Frame => 1024 * 1024,
        }
    }

    /// Whether replies are text of a line, so that a refusal can be told in words.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Line)
    }

    /// What stands in a reply before its [body](crate::Reply::body), so that a client can
    /// show the reply as it was sent.
    pub fn reply_prefix(self, outcome: Outcome) -> &'static [u8] {
        match (self, outcome) {
            (Self::Line, Outcome::Echo) => line::ECHO_PREFIX,
            (Self::Line, Outcome::Error) => line::ERROR_PREFIX,
            (Self::Line, Outcome::Unexpected) | (Self::Raw | Self::Frame, _) => b"",
        }
    }

    /// Whether `message` can be sent as one request and its reply be recognised.
    pub fn check_message(self, message: &[u8]) -> Result<(), UnfitMessage> {
        match self {
            Self::Line if memchr::memchr(b'\n', message).is_some() => {
                Err(UnfitMessage::Newline)
            }
            Self::Line if message.ends_with(b"\r") => Err(UnfitMessage::CarriageReturn),
            Self::Raw if message.is_empty() => Err(UnfitMessage::Empty),
            _ => Ok(()),
        }
    }
}

/// Why a text can't be one request of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitMessage {
    /// It would be two lines.
    #[error("a line can't hold a newline")]
    Newline,
    /// The server drops it, so the echo would differ.
    #[error("a line can't end with a carriage return")]
    CarriageReturn,
    /// There would be no reply to see.
    #[error("a raw message needs at least one byte")]
    Empty,
}
