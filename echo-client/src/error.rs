//! Errors with cause and remedy: [`ConnectError`] while connecting, [`SessionError`]
//! afterwards.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use echo_net::address::{Address, SocketAddress};
use echo_net::settings::{ByteSize, TimeSpan};
use echo_net::tls::{Fault, TrustError};
use echo_proto::{Malformed, Opening, ProtocolKind};

use crate::expectations::Deviations;
use crate::in_flight::Tally;
use echo_proto::terminal;

/// Why connecting failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Name resolution failed.
    #[error("looking up {}: {} (check the host name)", shown(address.host()), words(reason))]
    Lookup {
        /// The target.
        address: Box<Address>,
        /// The resolver's error.
        reason: io::Error,
    },
    /// Name resolution timed out.
    #[error(
        "looking up {}: no answer within {} (increase --connect-timeout, or use an IP \
         address)",
        shown(address.host()),
        TimeSpan(*timeout)
    )]
    LookupTimeout {
        /// The target.
        address: Box<Address>,
        /// The timeout.
        timeout: Duration,
    },
    /// No address of the name has answered.
    #[error("connecting to {}: {}", shown(&address.to_string()), told(address, attempts, *timeout))]
    NoneAnswered {
        /// The target.
        address: Box<Address>,
        /// The result for each address, in the order of attempts.
        attempts: Vec<Attempt>,
        /// The timeout.
        timeout: Duration,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {}: {fault}{}", shown(&address.to_string()), remedy(fault))]
    Tls {
        /// The target.
        address: Box<Address>,
        /// The TLS error.
        fault: Fault,
    },
    /// The TLS handshake did not complete within the connect timeout.
    #[error(
        "TLS handshake with {}: timed out (does the server speak TLS? increase \
         --connect-timeout)",
        shown(&address.to_string())
    )]
    TlsTimeout {
        /// The target.
        address: Box<Address>,
    },
    /// The connection broke during the handshake.
    #[error("TLS handshake with {}: {}", shown(&address.to_string()), words(reason))]
    TlsBroken {
        /// The target.
        address: Box<Address>,
        /// The system's error.
        reason: io::Error,
    },
    /// Invalid trust settings.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// The remedy, where the fault does not include it.
fn remedy(fault: &Fault) -> &'static str {
    match fault {
        Fault::NotTls | Fault::Unfinished => " (does the server speak TLS? try without --tls)",
        Fault::WrongName { .. } => " (set another name with --server-name)",
        _ => "",
    }
}

/// The cause of an invalid or too long reply, and the remedy.
fn malformed(
    reason: &Malformed,
    expected: ProtocolKind,
    opening: Opening,
    tally: Tally,
) -> String {
    if let Some(service) = opening.unlike(expected.into()) {
        return format!(
            "the server speaks {service}, not {expected}; {tally} (try --protocol {service})"
        );
    }
    let remedy = match reason {
        Malformed::HeadTooLong => "",
        Malformed::TooLong(_) => " (increase --max-message)",
        // Bytes of another protocol can look like the start of a very long reply.
        reason if reason.is_limit() => " (increase --max-message, unless --protocol is wrong)",
        _ => " (check --protocol)",
    };
    format!("{reason}; {tally}{remedy}")
}

/// The result of connecting to one address.
#[derive(Debug)]
pub struct Attempt {
    /// The address.
    pub target: SocketAddress,
    /// The system's error; `None`: no answer.
    pub failure: Option<io::Error>,
}

/// Maximum number of addresses listed in an error.
const NAMED: usize = 8;

/// Each address with its result, and the remedy.
fn told(address: &Address, attempts: &[Attempt], timeout: Duration) -> String {
    let of_kind = |attempt: &Attempt, kind| {
        attempt.failure.as_ref().is_some_and(|failure| failure.kind() == kind)
    };
    let silent = attempts.iter().all(|attempt| attempt.failure.is_none());
    let nobody = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
    let refused =
        attempts.iter().any(|attempt| nobody.iter().any(|kind| of_kind(attempt, *kind)));
    let whole = match attempts {
        [] => "the name has no address".to_owned(),
        [only] if only.target.to_string() == address.to_string() => reason(only, timeout),
        _ if silent => {
            let targets = attempts.iter().map(|attempt| attempt.target.to_string());
            format!("{} from {}", silence(timeout), named(targets, " and "))
        }
        _ => {
            let each = attempts
                .iter()
                .map(|attempt| format!("{} {}", attempt.target, reason(attempt, timeout)));
            named(each, ", ")
        }
    };
    let remedy = match (refused, silent && !attempts.is_empty()) {
        (true, _) => {
            let address = shown(&address.to_string());
            format!(" (is a server running there? start one with: echo-server {address})")
        }
        (_, true) => " (increase --connect-timeout)".to_owned(),
        _ => String::new(),
    };
    whole + &remedy
}

fn named(each: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = each.len().saturating_sub(NAMED);
    let mut named = each.take(NAMED).collect::<Vec<_>>().join(between);
    if more > 0 {
        // Writing to a String can't fail.
        let _ = write!(named, "{between}{more} more");
    }
    named
}

fn reason(attempt: &Attempt, timeout: Duration) -> String {
    attempt.failure.as_ref().map_or_else(|| silence(timeout), words)
}

fn silence(timeout: Duration) -> String {
    format!("no answer within {}", TimeSpan(timeout))
}

/// A typed address, which may contain control characters.
fn shown(typed: &str) -> String {
    let mut shown = String::new();
    terminal::escape(typed.as_bytes(), &mut shown);
    shown
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection broke.
    #[error("the connection broke: {}; {tally}", words(reason))]
    Broken {
        /// The system's error.
        reason: io::Error,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// TLS error.
    #[error("{fault}; {tally}")]
    Tls {
        /// The error.
        fault: Fault,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// The server answered plaintext with a TLS alert.
    #[error("the server seems to speak TLS; {0} (try --tls)")]
    SpeaksTls(Tally),
    /// The server closed the connection before it had answered everything.
    #[error("the server closed the connection; {0}")]
    Closed(Tally),
    /// The server closed the connection while there was input that it did not get.
    #[error(
        "the server closed the connection; {tally}; at least {bytes} bytes of the input were not sent"
    )]
    Unsent {
        /// How much of the input was read and not sent.
        bytes: u64,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// Reply timeout.
    #[error("no reply within {}; {tally} (increase --timeout)", TimeSpan(*timeout))]
    NoReply {
        /// The timeout.
        timeout: Duration,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// Invalid or too long reply.
    #[error("{}", malformed(reason, *protocol, *opening, *tally))]
    Malformed {
        /// The expected protocol.
        protocol: ProtocolKind,
        /// The server's first bytes.
        opening: Opening,
        /// What is wrong with it.
        reason: Malformed,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// Replies were wrong, errors, or not asked for.
    #[error("{deviations}; {tally}")]
    Deviant {
        /// What was wrong with them.
        deviations: Deviations,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// The server went on sending what nobody asked for.
    #[error("{bytes} bytes of unsolicited replies received; {tally} (check --protocol)")]
    Unsolicited {
        /// Their size.
        bytes: usize,
        /// Requests sent and answered.
        tally: Tally,
    },
    /// A line of the input is longer than the maximum message size.
    #[error("a line of the input is longer than {} (increase --max-message)", ByteSize(*.0))]
    LongLine(usize),
    /// Reading the input failed.
    #[error("reading the input: {}", words(.0))]
    Input(io::Error),
    /// Writing the replies failed.
    #[error("writing the replies: {}", words(.0))]
    Output(io::Error),
    /// The terminal failed.
    #[error("reading from the terminal: {0}")]
    Prompt(String),
}

impl SessionError {
    /// Whether the reader of the output has closed its pipe.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(reason) if reason.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A system error without its number, for use inside a sentence.
pub(crate) fn words(error: &io::Error) -> String {
    let kind = match error.kind() {
        // Of a unix-domain socket; its usual words fit nothing.
        io::ErrorKind::NotFound => "no such file".to_owned(),
        kind => kind.to_string(),
    };
    if error.raw_os_error().is_none() || kind == "uncategorized error" {
        error.to_string()
    } else {
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none_answered(address: &str, attempts: Vec<Attempt>) -> String {
        let address = Box::new(address.parse().unwrap());
        let timeout = Duration::from_secs(5);
        ConnectError::NoneAnswered { address, attempts, timeout }.to_string()
    }

    fn attempt(target: &str, failure: Option<io::ErrorKind>) -> Attempt {
        Attempt { target: target.parse().unwrap(), failure: failure.map(Into::into) }
    }

    #[test]
    fn a_refusal_names_the_remedy() {
        let refused = attempt("127.0.0.1:1", Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(
            none_answered("127.0.0.1:1", vec![refused]),
            "connecting to 127.0.0.1:1: connection refused (is a server running there? start \
             one with: echo-server 127.0.0.1:1)"
        );
    }

    #[test]
    fn an_address_that_the_name_stands_for_is_named_and_a_hostile_name_is_escaped() {
        let unreachable = attempt("[::1]:1", Some(io::ErrorKind::NetworkUnreachable));
        let silent = attempt("127.0.0.1:1", None);
        assert_eq!(
            none_answered("a\x1b[2J:1", vec![unreachable, silent]),
            "connecting to a\\x1b[2J:1: [::1]:1 network unreachable, 127.0.0.1:1 no answer \
             within 5s"
        );
    }

    #[test]
    fn of_very_many_addresses_the_first_are_named() {
        let attempts = (1..=20).map(|n| attempt(&format!("127.0.0.{n}:1"), None)).collect();
        let told = none_answered("many:1", attempts);
        assert!(told.contains("127.0.0.8:1 and 12 more (increase"), "{told}");
    }

    #[test]
    fn the_system_speaks_in_lower_case_and_without_numbers() {
        let reset = io::Error::from_raw_os_error(104);
        let tally = Tally { requested: 5, answered: 3 };
        assert_eq!(
            SessionError::Broken { reason: reset, tally }.to_string(),
            "the connection broke: connection reset; 3 of 5 requests answered"
        );
    }
}
