//! Why connections end: [`Ending`], and how often each: [`Endings`].

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use strum::VariantArray;

use crate::limits::Limit;

/// Why a connection has ended. Each ends for one reason, the first that occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Ending {
    /// The peer has closed its side, and has all replies.
    PeerClosed,
    /// The peer asked for it in the protocol.
    Quit,
    /// A message was refused: too long, or malformed.
    Rejected,
    /// TLS failed.
    Tls,
    /// The TLS handshake took too long.
    HandshakeTimeout,
    /// No byte in either direction for the idle timeout.
    IdleTimeout,
    /// The peer accepted no output for the write timeout.
    WriteTimeout,
    /// A message was not completed within the message timeout.
    MessageTimeout,
    /// All connections together buffered too much.
    Buffered,
    /// A chat member did not read its lines.
    SlowReader,
    /// The server has stopped gracefully.
    Stopped,
    /// The server was forced to stop with replies pending, or stopped in the middle of a transfer
    /// without messages.
    Aborted,
    /// The peer has reset the connection.
    Reset,
    /// The peer was not reachable any more.
    Unreachable,
    /// Any other error of the socket.
    Failed,
}

impl Ending {
    /// That of a connection whose socket returned `error`.
    pub(crate) fn of(error: &io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted => Self::Reset,
            // A blocking write that has timed out.
            ErrorKind::WouldBlock => Self::WriteTimeout,
            ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown => Self::Unreachable,
            _ => Self::Failed,
        }
    }

    /// That of a connection that the server ends at `limit`.
    pub(crate) fn at(limit: Limit) -> Self {
        match limit {
            Limit::Stop => Self::Aborted,
            Limit::WriteTimeout => Self::WriteTimeout,
            Limit::MessageTimeout => Self::MessageTimeout,
            Limit::Buffered => Self::Buffered,
        }
    }

    /// In logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// Connections that have ended, by reason.
#[derive(Debug, Default)]
pub(crate) struct Endings([AtomicU64; Ending::VARIANTS.len()]);

impl Endings {
    /// Counts one.
    pub(crate) fn count(&self, ending: Ending) {
        self.0[ending as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Each reason, and how many have ended for it.
    pub(crate) fn read(&self) -> impl Iterator<Item = (Ending, u64)> {
        let count =
            |&ending: &Ending| (ending, self.0[ending as usize].load(Ordering::Relaxed));
        Ending::VARIANTS.iter().map(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_count_and_name() {
        let endings = Endings::default();
        for _ in 0..2 {
            endings.count(Ending::Reset);
        }
        endings.count(Ending::PeerClosed);
        let counted: Vec<_> = endings.read().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Ending::PeerClosed, 1), (Ending::Reset, 2)]);
        assert_eq!(Ending::IdleTimeout.name(), "idle_timeout");
    }
}
