//! The protocols by name, and constructors of their two sides: [`ProtocolKind`].

use crate::{
    CommandRequester, CommandResponder, FrameRequester, FrameResponder, HttpRequester,
    HttpResponder, LineRequester, LineResponder, MuxRequester, MuxResponder, Outcome,
    PostgresRequester, PostgresResponder, RawRequester, RawResponder, Reply, Requester,
    RespRequester, RespResponder, Responder, WallClock, command, line,
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
    /// The PostgreSQL protocol: echoes the text of a `SELECT`.
    Postgres,
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
            Self::Postgres => {
                Responder::Postgres(Box::new(PostgresResponder::new(max_message)))
            }
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
            Self::Postgres => {
                Requester::Postgres(Box::new(PostgresRequester::new(max_message)))
            }
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
            Self::Raw | Self::Frame | Self::Mux | Self::Resp | Self::Http | Self::Postgres => {
                1024 * 1024
            }
        }
    }

    /// The name by which a client asks for it within a TLS handshake (ALPN), where that is
    /// required: a PostgreSQL refuses TLS from the first byte without it, and so does libpq.
    pub fn alpn(self) -> Option<&'static [u8]> {
        (self == Self::Postgres).then_some(b"postgresql")
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

    /// What the reply to a message must be; `typed`: to a [typed](Self::typed_requester) one.
    pub fn expected_reply(self, message: &[u8], typed: bool) -> Expected<'_> {
        match self {
            // A web server answers with pages of its own.
            Self::Http => Expected::Success,
            Self::Command if typed => {
                let text = command::echoed_text(message);
                text.map_or(Expected::Any, |text| Expected::Echo(self.echoed(text)))
            }
            _ => Expected::Echo(self.echoed(message)),
        }
    }

    /// The outcome and the text of a reply, to be compared with what was
    /// [expected](Self::expected_reply).
    pub fn compared<'a>(self, reply: &Reply<'a>, typed: bool) -> (Outcome, &'a [u8]) {
        let (outcome, body) = (reply.outcome, self.echoed(reply.body));
        if self != Self::Command || !typed || outcome != Outcome::Echo {
            return (outcome, body);
        }
        match body.strip_prefix(line::ECHO_PREFIX) {
            Some(text) => (outcome, text),
            None => (Outcome::Unexpected, body),
        }
    }

    /// A text without what servers drop or add at the end of a line.
    fn echoed(self, mut text: &[u8]) -> &[u8] {
        while let Some(rest) = text.strip_suffix(b"\r").filter(|_| self.is_text()) {
            text = rest;
        }
        text
    }

    /// Whether `message` can be sent as one request and its reply recognised.
    pub fn check_message(self, message: &[u8]) -> Result<(), UnfitMessage> {
        let found = |byte| memchr::memchr(byte, message);
        let unfit = match self {
            Self::Line | Self::Command => match found(b'\n') {
                Some(at) => Some(UnfitMessage::Newline { at }),
                None if message.ends_with(b"\r") => {
                    Some(UnfitMessage::CarriageReturn { at: message.len() - 1 })
                }
                None => None,
            },
            Self::Raw => message.is_empty().then_some(UnfitMessage::Empty),
            Self::Postgres => match (found(0), std::str::from_utf8(message)) {
                (Some(at), _) => Some(UnfitMessage::Nul { at }),
                (_, Err(error)) => Some(UnfitMessage::NotUtf8 { at: error.valid_up_to() }),
                _ => None,
            },
            _ => None,
        };
        unfit.map_or(Ok(()), Err)
    }
}

/// What the reply to a message must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// The echo of this text.
    Echo(&'a [u8]),
    /// Anything but an error.
    Success,
    /// Anything.
    Any,
}

/// Why a message can't be sent as one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitMessage {
    /// It would be two lines.
    #[error("a line can't contain a newline (at byte offset {at})")]
    Newline {
        /// Where, from 0.
        at: usize,
    },
    /// The server drops it, so the echo would differ.
    #[error("a line can't end with a carriage return (at byte offset {at})")]
    CarriageReturn {
        /// Where, from 0.
        at: usize,
    },
    /// It would have no visible reply.
    #[error("a raw message needs at least one byte")]
    Empty,
    /// No text of PostgreSQL has it.
    #[error("a text of PostgreSQL can't contain a NUL byte (at byte offset {at})")]
    Nul {
        /// Where, from 0.
        at: usize,
    },
    /// The database would refuse it.
    #[error("a text of PostgreSQL must be UTF-8 (it is not at byte offset {at})")]
    NotUtf8 {
        /// Where, from 0.
        at: usize,
    },
}
