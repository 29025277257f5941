//! Why a link was lost: [`Loss`].

use std::io;

use super::ledger::Ending;
use crate::record::FailureKind;

/// See the [module](self). Told as `detail` of the first of its kind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Loss {
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// It answered with a TLS alert: it does not want plaintext.
    #[error("the server seems to speak TLS (try --tls)")]
    SpeaksTls,
    /// It broke.
    #[error("{0}")]
    Broken(io::Error),
    /// What came was no reply, and nothing after it can be matched: we closed it.
    #[error("{0}")]
    Malformed(Box<dyn std::error::Error + Send + Sync>),
}

impl Loss {
    /// A stream that has ended, with the reason if not in order.
    pub(crate) fn ended(cut_off: Option<io::Error>) -> Self {
        cut_off.map_or(Self::Closed, Self::Broken)
    }

    /// The reason why a connection was not made; that of an orderly end is `closed`.
    pub(crate) fn into_error(self, closed: impl Into<io::Error>) -> io::Error {
        match self {
            Self::Closed => closed.into(),
            Self::SpeaksTls => io::Error::other(self),
            Self::Broken(error) => error,
            Self::Malformed(reason) => io::Error::other(reason),
        }
    }

    /// The kind that it is counted as, and how its unanswered requests end.
    pub(crate) fn counts_as(&self) -> (FailureKind, Ending) {
        match self {
            Self::Closed => (FailureKind::Closed, Ending::Closed),
            Self::Broken(_) => (FailureKind::Reset, Ending::Reset),
            Self::Malformed(_) | Self::SpeaksTls => (FailureKind::Malformed, Ending::Unmatched),
        }
    }
}
