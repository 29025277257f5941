//! What each connection got: [`Served`]. A few fast connections can hide many that wait.

use echo_net::Nanos;

/// Requests of one connection, caller or listener within the measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Successful replies within the window.
    pub answered: u64,
    /// Requests that ended without a reply: timed out, lost, or in flight at the end.
    pub unanswered: u64,
    /// Response latencies of the successful replies, added up.
    pub latency_ns: Nanos,
}

impl Served {
    /// Whether it asked for anything.
    pub fn took_part(&self) -> bool {
        self.answered + self.unanswered > 0
    }
}
