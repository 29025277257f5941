//! Latencies that the kernel's counters explain: [`Explained`].

use crate::report::nouns::Nouns;

/// A timer of the kernel at which latencies stand, with the proof.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Explained {
    /// Replies of about 40 ms, and acknowledgements that were delayed.
    DelayedAcks { share: f64, count: u64 },
    /// Replies of 200 ms and more, and retransmission timers that ran out.
    Timeouts { share: f64, count: u64 },
    /// Connections of 1 s and more, and SYN segments that were sent again.
    SynRetries { late: u64, retries: u64, overflows: u64 },
}

impl Explained {
    /// Code, cause and remedy.
    pub(super) fn words(&self, nouns: Nouns) -> (&'static str, String, &'static str) {
        let replies = nouns.answer.many;
        match self {
            Self::DelayedAcks { share, count } => (
                "delayed-acks",
                format!(
                    "{:.1} % of the {replies} took about 40 ms: the delayed-ACK timer fired {count} \
                     times",
                    share * 100.0
                ),
                "Nagle's algorithm waits for that ACK: set --nodelay on, or write messages whole",
            ),
            Self::Timeouts { share, count } => (
                "retransmissions",
                format!(
                    "{:.1} % of the {replies} took 200 ms or more: the retransmission timer ran out \
                     {count} times",
                    share * 100.0
                ),
                "segments were lost; check the path and the socket buffers",
            ),
            Self::SynRetries { late, retries, overflows } => (
                "syn-retries",
                format!(
                    "{late} connections took 1 s or more: {retries} SYN segments were sent again, \
                     the accept queue overflowed {overflows} times"
                ),
                "raise the server's backlog and net.core.somaxconn, or lower --connect-rate",
            ),
        }
    }
}
