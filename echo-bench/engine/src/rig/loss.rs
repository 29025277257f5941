//! Why a link was lost: [`Loss`], or was not made at all: [`kind_of_unmade`].

use std::io;

use echo_net::tls::{ClientRefusal, Fault};
use echo_proto::{Malformed, Refused};

use super::asked::Ending;
use crate::record::FailureKind;

/// The kind that a connection that was not made is counted as: what this machine lacked is no
/// failure of the server.
pub(super) fn kind_of_unmade(error: &io::Error) -> FailureKind {
    use rustix::io::Errno;
    let lacking = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let lacks = Errno::from_io_error(error).is_some_and(|errno| lacking.contains(&errno));
    // The kernel's answer to connect(2) when no local port is free for the destination.
    let ports = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::AddrInUse];
    if lacks || ports.contains(&error.kind()) {
        FailureKind::NoSocket
    } else if refused_certificate(error).is_some() {
        FailureKind::TlsClientCertificate
    } else {
        FailureKind::Refused
    }
}

/// The server's refusal of our certificate, or of having none, if that is why a connection was
/// lost.
pub(super) fn refused_certificate(error: &io::Error) -> Option<ClientRefusal> {
    match error.get_ref()?.downcast_ref()? {
        Fault::ClientRefused(refusal) => Some(*refusal),
        _ => None,
    }
}

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
    /// What came was no reply, or one that is too long, and nothing after it can be matched:
    /// we closed it.
    #[error("{0}")]
    Malformed(Malformed),
    /// Nobody was let in.
    #[error("{0}")]
    Refused(Refused),
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
            Self::Refused(reason) => io::Error::other(reason),
        }
    }

    /// Whether something came that was no reply.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::SpeaksTls)
    }

    /// The kind that it is counted as, and how its unanswered requests end.
    pub(crate) fn counts_as(&self) -> (FailureKind, Ending) {
        match self {
            Self::Closed | Self::Refused(_) => (FailureKind::Closed, Ending::Closed),
            // Under TLS 1.3 it comes after the handshake, when requests are under way.
            Self::Broken(error) if refused_certificate(error).is_some() => {
                (FailureKind::TlsClientCertificate, Ending::Reset)
            }
            Self::Broken(_) => (FailureKind::Reset, Ending::Reset),
            Self::Malformed(reason) if reason.is_limit() => {
                (FailureKind::TooLong, Ending::Unmatched)
            }
            Self::Malformed(_) | Self::SpeaksTls => (FailureKind::Malformed, Ending::Unmatched),
        }
    }
}
