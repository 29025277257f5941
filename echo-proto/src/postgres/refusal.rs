//! What a client is told that can't be answered: [`Refusal`], with its SQLSTATE.

use super::portals::MOST_PREPARED_TEXT;
use super::startup::InvalidPacket;
use super::written::{self, Complaint, Severity};
use crate::Replies;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("sorry, too many clients already")]
    Full,
    #[error(transparent)]
    Packet(#[from] InvalidPacket),
    #[error("message too long (limit {0} bytes)")]
    TooLong(usize),
    #[error("invalid message length")]
    Length,
    #[error("invalid frontend message type {0}")]
    Kind(u8),
    #[error("invalid message format")]
    Layout,
    #[error("message not completed in time")]
    Late,
    #[error("only SELECT '<text>', SELECT $1::text and SELECT <integer> are answered")]
    Unknown,
    /// In a simple query nothing is bound.
    #[error("there is no parameter $1")]
    NoParameter,
    #[error("cannot insert multiple commands into a prepared statement")]
    Several,
    #[error("prepared statement does not exist")]
    NoStatement,
    #[error("portal does not exist")]
    NoPortal,
    #[error(
        "bind message supplies {given} parameters, but prepared statement requires {wanted}"
    )]
    Parameters { given: usize, wanted: u16 },
    #[error("too many prepared statements or portals")]
    Kept,
    #[error("a prepared text has at most {MOST_PREPARED_TEXT} bytes: pass a longer one as $1")]
    LongLiteral,
    #[error("function calls are not supported")]
    FunctionCall,
}

impl Refusal {
    /// Whether the connection ends.
    pub(super) fn severity(self) -> Severity {
        match self {
            Self::Full
            | Self::Packet(_)
            | Self::TooLong(_)
            | Self::Length
            | Self::Kind(_)
            | Self::Layout
            | Self::Late => Severity::Fatal,
            _ => Severity::Error,
        }
    }

    fn sqlstate(self) -> &'static str {
        match self {
            Self::Full => "53300",
            Self::Packet(packet) => packet.sqlstate(),
            Self::TooLong(_)
            | Self::Length
            | Self::Kind(_)
            | Self::Layout
            | Self::Parameters { .. } => "08P01",
            Self::Late => "57014",
            Self::Unknown | Self::Several => "42601",
            Self::NoParameter => "42P02",
            Self::NoStatement => "26000",
            Self::NoPortal => "34000",
            Self::Kept | Self::LongLiteral => "54000",
            Self::FunctionCall => "0A000",
        }
    }

    /// Appends it as an error.
    pub(super) fn tell(self, replies: &mut Replies) {
        let (severity, sqlstate) = (self.severity(), self.sqlstate());
        written::error(Complaint { severity, sqlstate, text: self }, replies);
    }
}
