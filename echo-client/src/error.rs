//! What can go wrong, in words that name the cause and the remedy: [`ConnectError`] before
//! the connection is made, [`SessionError`] after.

use std::io;
use std::time::Duration;

use echo_net::address::Address;
use echo_net::settings::{ByteSize, TimeSpan};
use echo_proto::{Malformed, ProtocolKind};

use crate::in_flight::Tally;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name stands for no address.
    #[error("looking up {}: {} (is the name right?)", address.host(), words(reason))]
    Lookup {
        /// Where to connect.
        address: Address,
        /// What the resolver says.
        reason: io::Error,
    },
    /// Nobody listens there.
    #[error(
        "connecting to {0}: connection refused (is a server running there? start one with: \
         echo-server {0})"
    )]
    Refused(Address),
    /// Nobody answered in time.
    #[error("connecting to {address}: no answer within {} (wait longer with --timeout)", TimeSpan(*timeout))]
    NoAnswer {
        /// Where to connect.
        address: Address,
        /// How long was waited.
        timeout: Duration,
    },
    /// Anything else.
    #[error("connecting to {address}: {}", words(reason))]
    Failed {
        /// Where to connect.
        address: Address,
        /// What the system says.
        reason: io::Error,
    },
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
    /// What arrived is no reply.
    #[error("not a reply of the {protocol} protocol: {reason}; {tally} (is --protocol right?)")]
    Malformed {
        /// What was expected.
        protocol: ProtocolKind,
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
fn words(error: &io::Error) -> String {
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

    #[test]
    fn a_refusal_names_the_remedy() {
        let refused = ConnectError::Refused("127.0.0.1:1".parse().unwrap());
        assert_eq!(
            refused.to_string(),
            "connecting to 127.0.0.1:1: connection refused (is a server running there? start \
             one with: echo-server 127.0.0.1:1)"
        );
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
