//! What can go wrong, in words that name the cause and the remedy: [`ConnectError`] before
//! the connection is made, [`SessionError`] after.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use echo_net::address::Address;
use echo_net::settings::{ByteSize, TimeSpan};
use echo_net::tls::{Fault, TrustError};
use echo_proto::{Malformed, Opening, ProtocolKind};

use crate::in_flight::Tally;
use echo_proto::terminal;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name stands for no address.
    #[error("looking up {}: {} (is the name right?)", shown(address.host()), words(reason))]
    Lookup {
        /// Where to connect.
        address: Address,
        /// What the resolver says.
        reason: io::Error,
    },
    /// The resolver did not answer.
    #[error(
        "looking up {}: no answer within {} (wait longer with --connect-timeout, or write the \
         address in numbers)",
        shown(address.host()),
        TimeSpan(*timeout)
    )]
    LookupTimeout {
        /// Where to connect.
        address: Address,
        /// How long was waited.
        timeout: Duration,
    },
    /// No address of the name has answered.
    #[error("connecting to {}: {}", shown(&address.to_string()), told(address, attempts, *timeout))]
    NoneAnswered {
        /// Where to connect.
        address: Address,
        /// What came of each address, in the order in which they were tried.
        attempts: Vec<Attempt>,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection was made, and TLS on it was not.
    #[error("speaking TLS with {}: {fault}{}", shown(&address.to_string()), remedy(fault))]
    Tls {
        /// Where to.
        address: Address,
        /// Why not.
        fault: Fault,
    },
    /// The server has not finished the handshake in the time for making a connection.
    #[error(
        "speaking TLS with {}: no handshake in time (does the server speak TLS? wait longer \
         with --connect-timeout)",
        shown(&address.to_string())
    )]
    TlsTimeout {
        /// Where to.
        address: Address,
    },
    /// The connection broke within the handshake.
    #[error("speaking TLS with {}: {}", shown(&address.to_string()), words(reason))]
    TlsBroken {
        /// Where to.
        address: Address,
        /// What the system says.
        reason: io::Error,
    },
    /// Nobody can be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// What a client can do about it, where the fault does not say so itself.
fn remedy(fault: &Fault) -> &'static str {
    match fault {
        Fault::NotTls | Fault::Unfinished => " (does the server speak TLS? try without --tls)",
        Fault::WrongName { .. } => " (expect another name with --server-name)",
        _ => "",
    }
}

/// What is wrong with a reply that is none or too long, and what can be done about it.
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
        Malformed::TooLong(_) => " (raise --max-message)",
        // Bytes of another protocol can look like the beginning of something very long.
        reason if reason.is_limit() => " (raise --max-message, unless --protocol is wrong)",
        _ => " (is --protocol right?)",
    };
    format!("{reason}; {tally}{remedy}")
}

/// What came of the attempt to connect to one address.
#[derive(Debug)]
pub struct Attempt {
    /// The address.
    pub target: SocketAddr,
    /// What the system says; `None`: nobody has answered.
    pub failure: Option<io::Error>,
}

/// Addresses that an error names one by one.
const NAMED: usize = 8;

/// Each address with what came of it, and what can be done about it.
fn told(address: &Address, attempts: &[Attempt], timeout: Duration) -> String {
    let of_kind = |attempt: &Attempt, kind| {
        attempt.failure.as_ref().is_some_and(|failure| failure.kind() == kind)
    };
    let silent = attempts.iter().all(|attempt| attempt.failure.is_none());
    let refused =
        attempts.iter().any(|attempt| of_kind(attempt, io::ErrorKind::ConnectionRefused));
    let whole = match attempts {
        [] => "the name stands for no address".to_owned(),
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
        (_, true) => " (wait longer with --connect-timeout)".to_owned(),
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

/// What was typed, which need not have come from a keyboard.
fn shown(typed: &str) -> String {
    let mut shown = String::new();
    terminal::escape(typed.as_bytes(), &mut shown);
    shown
}

/// Why a session on a connection did not end well.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection broke.
    #[error("the connection broke: {}; {tally}", words(reason))]
    Broken {
        /// What the system says.
        reason: io::Error,
        /// How far it came.
        tally: Tally,
    },
    /// TLS went wrong.
    #[error("{fault}; {tally}")]
    Tls {
        /// How.
        fault: Fault,
        /// How far it came.
        tally: Tally,
    },
    /// The server answered with an alert of TLS, which is not spoken here.
    #[error("the server seems to speak TLS; {0} (try --tls)")]
    SpeaksTls(Tally),
    /// The server ended the connection before it had answered everything.
    #[error("the server closed the connection; {0}")]
    Closed(Tally),
    /// Requests wait for an answer and nothing arrives.
    #[error("no reply within {}; {tally} (wait longer with --timeout)", TimeSpan(*timeout))]
    NoReply {
        /// How long was waited.
        timeout: Duration,
        /// How far it came.
        tally: Tally,
    },
    /// What arrived is no reply, or one that is too long.
    #[error("{}", malformed(reason, *protocol, *opening, *tally))]
    Malformed {
        /// What was expected.
        protocol: ProtocolKind,
        /// What the server said first on the connection.
        opening: Opening,
        /// What arrived.
        reason: Malformed,
        /// How far it came.
        tally: Tally,
    },
    /// The input holds more without a newline than a message may have.
    #[error("a line of the input is longer than {} (raise --max-message)", ByteSize(*.0))]
    LongLine(usize),
    /// The input can't be read.
    #[error("reading the input: {}", words(.0))]
    Input(io::Error),
    /// The results can't be written.
    #[error("writing the replies: {}", words(.0))]
    Output(io::Error),
    /// The prompt does not work.
    #[error("reading from the terminal: {0}")]
    Prompt(String),
}

impl SessionError {
    /// Whether nobody reads the replies any more.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(reason) if reason.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// An error of the system as it reads inside a sentence, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let kind = error.kind().to_string();
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
        let address = address.parse().unwrap();
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
        assert!(told.contains("127.0.0.8:1 and 12 more (wait longer"), "{told}");
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
