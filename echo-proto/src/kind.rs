//! The protocols by name, and constructors of their two sides: [`ProtocolKind`].

use crate::{
    CommandRequester, CommandResponder, FrameRequester, FrameResponder, HttpRequester,
    HttpResponder, LineRequester, LineResponder, MuxRequester, MuxResponder, Outcome,
    RawRequester, RawResponder, Requester, RespRequester, RespResponder, Responder, WallClock,
    line,
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
    /// Lines whose first word is a command.
    Command,
    /// Frames on numbered streams.
    Mux,
    /// The Redis protocol: `PING`, `ECHO` and the commands that stock tools send on connect.
    Resp,
    /// HTTP/1.1: echoes a path or a body.
    Http,
}

impl ProtocolKind {
    /// The server's side of a new connection. `clock` is used only by protocols that report the
    /// time.
    pub fn responder(self, max_message: usize, clock: WallClock) -> Responder {
        match self {
            Self::Line => Responder::Line(LineResponder::new(max_message)),
            Self::Raw => Responder::Raw(RawResponder),
            Self::Frame => Responder::Frame(FrameResponder::new(max_message)),
            Self::Command => Responder::Command(CommandResponder::new(max_message, clock)),
            Self::Mux => Responder::Mux(MuxResponder::new(max_message)),
            Self::Resp => Responder::Resp(RespResponder::new(max_message)),
            Self::Http => Responder::Http(Box::new(HttpResponder::new(max_message))),
        }
    }

    /// The client's side of a new connection, which requests the echo of each message, on a
    /// single stream where there are several.
    pub fn requester(self, max_message: usize) -> Requester {
        match self {
            Self::Line => Requester::Line(LineRequester::new(max_message)),
            Self::Raw => Requester::Raw(RawRequester::default()),
            Self::Frame => Requester::Frame(FrameRequester::new(max_message)),
            Self::Command => Requester::Command(CommandRequester::new(max_message)),
            Self::Mux => Requester::Mux(MuxRequester::new(max_message, 1)),
            Self::Resp => Requester::Resp(RespRequester::new(max_message)),
            Self::Http => Requester::Http(Box::new(HttpRequester::new(max_message))),
        }
    }

    /// The client's side for messages typed by a person: in the command protocol, a message
    /// includes its command.
    pub fn typed_requester(self, max_message: usize) -> Requester {
        match self {
            Self::Command => Requester::Command(CommandRequester::typed(max_message)),
            _ => self.requester(max_message),
        }
    }

    /// Whether a [typed](Self::typed_requester) message has a reply; `QUIT` has none.
    pub fn has_reply(self, typed: &[u8]) -> bool {
        self != Self::Command || !typed.trim_ascii_end().eq_ignore_ascii_case(b"QUIT")
    }

    /// The default limit of a message's payload in bytes.
    pub fn default_max_message(self) -> usize {
        match self {
            Self::Line | Self::Command => 64 * 1024,
            Self::Raw | Self::Frame | Self::Mux | Self::Resp | Self::Http => 1024 * 1024,
        }
    }

    /// Whether replies are lines of text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Line | Self::Command)
    }

    /// The prefix of the [body](crate::Reply::body) in a reply to a
    /// [typed](Self::typed_requester) message, for showing the reply as it was sent.
    pub fn reply_prefix(self, outcome: Outcome) -> &'static [u8] {
        match (self, outcome) {
            (Self::Line, Outcome::Echo) => line::ECHO_PREFIX,
            (Self::Line | Self::Command, Outcome::Error) => line::ERROR_PREFIX,
            _ => b"",
        }
    }

    /// Whether `message` can be sent as one request and its reply recognised.
    pub fn check_message(self, message: &[u8]) -> Result<(), UnfitMessage> {
        match self {
            Self::Line | Self::Command if memchr::memchr(b'\n', message).is_some() => {
                Err(UnfitMessage::Newline)
            }
            Self::Line | Self::Command if message.ends_with(b"\r") => {
                Err(UnfitMessage::CarriageReturn)
            }
            Self::Raw if message.is_empty() => Err(UnfitMessage::Empty),
            _ => Ok(()),
        }
    }
}

/// Why a message can't be sent as one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitMessage {
    /// It would be two lines.
    #[error("a line can't contain a newline")]
    Newline,
    /// The server drops it, so the echo would differ.
    #[error("a line can't end with a carriage return")]
    CarriageReturn,
    /// It would have no visible reply.
    #[error("a raw message needs at least one byte")]
    Empty,
}
