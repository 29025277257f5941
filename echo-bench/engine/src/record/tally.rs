//! Counts of requests by how they ended: [`Tally`]. Every scheduled request ends in exactly
//! one of them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// How the requests of the measured window ended, and what they moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Fell due (open loop) or were sent (closed loop) within the window.
    pub scheduled: u64,
    /// Answered with success.
    pub ok: u64,
    /// Right answers that arrived within the window, whenever they were asked for. Rates and
    /// costs are of these; `ok` also counts what was answered in the drain.
    pub answered: u64,
    /// Answered wrongly, or passed over.
    pub mismatch: u64,
    /// Answered by the server with an error of the protocol.
    pub error: u64,
    /// Not answered within the timeout.
    pub timeout: u64,
    /// Lost with a connection that broke.
    pub reset: u64,
    /// Never sent, since the connection could not be made.
    pub refused: u64,
    /// Lost with a connection that the server closed.
    pub closed: u64,
    /// Never sent, since no slot became free.
    pub unsent: u64,
    /// Sent, and without an answer when the drain ended.
    pub in_flight: u64,
    /// Wire bytes of requests.
    pub bytes_sent: u64,
    /// Wire bytes of replies.
    pub bytes_received: u64,
}

impl Tally {
    /// Requests of every ending.
    pub fn ended(&self) -> u64 {
        self.ok + self.failed()
    }

    /// Requests that did not get their reply.
    pub fn failed(&self) -> u64 {
        self.mismatch
            + self.error
            + self.timeout
            + self.reset
            + self.refused
            + self.closed
            + self.unsent
            + self.in_flight
    }

    /// Every count.
    pub fn counts(&self) -> [u64; 13] {
        [
            self.scheduled,
            self.ok,
            self.answered,
            self.mismatch,
            self.error,
            self.timeout,
            self.reset,
            self.refused,
            self.closed,
            self.unsent,
            self.in_flight,
            self.bytes_sent,
            self.bytes_received,
        ]
    }

    /// Whether every scheduled request has ended in exactly one way.
    pub fn is_conserved(&self) -> bool {
        self.scheduled == self.ended()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        // Taken apart, so that a new field can't be forgotten here.
        let Self {
            scheduled,
            ok,
            answered,
            mismatch,
            error,
            timeout,
            reset,
            refused,
            closed,
            unsent,
            in_flight,
            bytes_sent,
            bytes_received,
        } = other;
        self.scheduled += scheduled;
        self.ok += ok;
        self.answered += answered;
        self.mismatch += mismatch;
        self.error += error;
        self.timeout += timeout;
        self.reset += reset;
        self.refused += refused;
        self.closed += closed;
        self.unsent += unsent;
        self.in_flight += in_flight;
        self.bytes_sent += bytes_sent;
        self.bytes_received += bytes_received;
    }
}
