//! Log lines about connections: [`ConnectionLog`]. Each kind of line is limited to
//! [`PER_SECOND`], and says how many were left out: a flood of connections must not become a
//! flood of lines. Nothing is done for a level that is not logged.

use std::time::Duration;

use echo_net::Nanos;
use echo_net::address::PeerAddress;
use echo_net::clock::{self, SECOND};
use echo_net::tls::ClientFault;
use echo_proto::terminal;
use tracing::{Level, debug, enabled, trace, warn};

use crate::counters::Served;
use crate::ending::Ending;
use crate::log_limit::LogLimit;

/// Lines of one kind per second.
const PER_SECOND: u64 = 10;

/// Bytes of a message that are logged.
const EXCERPT: usize = 256;

/// Target of the lines about messages, so that they can be chosen apart.
pub(crate) const MESSAGES: &str = "echo_server::messages";

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ConnectionLog {
    connected: LogLimit,
    disconnected: LogLimit,
    broken: LogLimit,
    messages: LogLimit,
    /// One per five seconds: these are logged by default.
    refused: LogLimit,
}

impl Default for ConnectionLog {
    fn default() -> Self {
        let limit = || LogLimit::new(PER_SECOND, SECOND);
        Self {
            connected: limit(),
            disconnected: limit(),
            broken: limit(),
            messages: limit(),
            refused: LogLimit::default(),
        }
    }
}

/// What a connection has done until its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// When it was accepted.
    pub(crate) since: Nanos,
    /// What was served.
    pub(crate) served: Served,
    /// Why it has ended.
    pub(crate) ending: Ending,
}

impl ConnectionLog {
    /// A connection was admitted.
    pub(crate) fn connected(&self, peer: PeerAddress) {
        if enabled!(Level::DEBUG)
            && let Some(suppressed) = self.connected.pass(clock::now())
        {
            debug!(%peer, suppressed = some(suppressed), "connected");
        }
    }

    /// A connection has ended.
    pub(crate) fn disconnected(&self, peer: PeerAddress, life: &Life) {
        if !enabled!(Level::DEBUG) {
            return;
        }
        let now = clock::now();
        let Some(suppressed) = self.disconnected.pass(now) else { return };
        let Life { since, served, ending } = life;
        let open = Duration::from_nanos(now.saturating_sub(*since));
        debug!(
            %peer,
            cause = ending.name(),
            duration_ms = open.as_micros() as f64 / 1e3,
            messages = served.messages,
            bytes_in = served.bytes_in,
            bytes_out = served.bytes_out,
            errors = some(served.errors),
            suppressed = some(suppressed),
            "disconnected"
        );
    }

    /// A client was refused for its certificate.
    pub(crate) fn refused(&self, peer: PeerAddress, fault: &ClientFault) {
        if let Some(suppressed) = self.refused.pass(clock::now()) {
            warn!(%peer, suppressed = some(suppressed), "refused a client: {fault}");
        }
    }

    /// Says how many lines were left out after the last of their kind: nothing follows.
    pub(crate) fn finish(&self) {
        let [connected, disconnected, broken, messages] =
            [&self.connected, &self.disconnected, &self.broken, &self.messages]
                .map(|limit| some(limit.take_suppressed()));
        if [connected, disconnected, broken, messages].iter().any(Option::is_some) {
            debug!(connected, disconnected, broken, messages, "log lines left out");
        }
        if let Some(refused) = some(self.refused.take_suppressed()) {
            warn!(refused, "log lines about refused client certificates left out");
        }
    }

    /// A connection broke.
    pub(crate) fn broken(&self, peer: PeerAddress, error: &std::io::Error) {
        if enabled!(Level::TRACE)
            && let Some(suppressed) = self.broken.pass(clock::now())
        {
            trace!(%peer, %error, suppressed = some(suppressed), "connection broke");
        }
    }

    /// Bytes were received and answered; `text`, unless they are encrypted.
    #[inline]
    pub(crate) fn message(&self, peer: PeerAddress, served: Served, text: Option<&[u8]>) {
        if enabled!(target: MESSAGES, Level::TRACE) {
            self.log_message(peer, served, text);
        }
    }

    #[cold]
    fn log_message(&self, peer: PeerAddress, served: Served, text: Option<&[u8]>) {
        let Some(suppressed) = self.messages.pass(clock::now()) else { return };
        trace!(
            target: MESSAGES,
            %peer,
            bytes_in = served.bytes_in,
            messages = served.messages,
            bytes_out = served.bytes_out,
            suppressed = some(suppressed),
            // The last of the line, so that it can't pass for another field.
            text = text.map(|text| display(excerpt(text))),
            "received"
        );
    }
}

/// A count that is left out of a line while it is 0.
fn some(count: u64) -> Option<u64> {
    Some(count).filter(|count| *count > 0)
}

/// The beginning of `text` on one line, escaped: it comes from a peer.
fn excerpt(text: &[u8]) -> String {
    let mut shown = String::new();
    terminal::escape(&text[..text.len().min(EXCERPT)], &mut shown);
    let mut shown = terminal::one_line(&shown);
    if text.len() > EXCERPT {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sent_is_escaped_and_short() {
        assert_eq!(excerpt(b"a\r\n\x1b[31m\tb\\n\xff"), r"a\x0d\n\x1b[31m\tb\\n\xff");
        let long = excerpt(&[b'x'; 257]);
        assert_eq!(long, format!("{}…", "x".repeat(256)));
    }
}
