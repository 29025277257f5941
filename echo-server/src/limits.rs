//! Why the server ended a connection by itself, [`Limit`], and how many it ended for each reason,
//! [`LimitsServed`].

use std::fmt;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counted::counted;

/// A limit that a peer has exceeded, or the end of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The server stopped in the middle of a transfer.
    Stop,
    /// Output was not taken in time.
    WriteTimeout,
    /// A message was not completed in time.
    MessageTimeout,
    /// All connections together buffered too much.
    Buffered,
}

impl Limit {
    /// Whether the peer lacks output, so that the end must not look complete.
    pub(crate) fn cuts(self) -> bool {
        self != Self::MessageTimeout
    }
}

/// Connections that were ended at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct LimitsServed {
    /// Peers that took no output for the write timeout; reset.
    pub write_timeout: u64,
    /// Peers that did not complete a message within the message timeout.
    pub message_timeout: u64,
    /// The largest, when all connections together buffered more than allowed; reset.
    pub buffered: u64,
}

impl AddAssign for LimitsServed {
    fn add_assign(&mut self, more: Self) {
        self.write_timeout += more.write_timeout;
        self.message_timeout += more.message_timeout;
        self.buffered += more.buffered;
    }
}

/// Says nothing where no limit was reached.
impl fmt::Display for LimitsServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "; limits: ";
        for (count, flag) in [
            (self.write_timeout, "--write-timeout"),
            (self.message_timeout, "--message-timeout"),
            (self.buffered, "--max-buffered"),
        ] {
            if count > 0 {
                write!(f, "{between}{} ended by {flag}", counted(count, "connection"))?;
                between = ", ";
            }
        }
        Ok(())
    }
}

/// [`LimitsServed`], updated at most once per connection.
#[derive(Debug, Default)]
pub(crate) struct LimitCounters {
    stopped: AtomicU64,
    write_timeout: AtomicU64,
    message_timeout: AtomicU64,
    buffered: AtomicU64,
}

impl LimitCounters {
    pub(crate) fn count(&self, limit: Limit) {
        let count = match limit {
            Limit::Stop => &self.stopped,
            Limit::WriteTimeout => &self.write_timeout,
            Limit::MessageTimeout => &self.message_timeout,
            Limit::Buffered => &self.buffered,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections aborted by the stop.
    pub(crate) fn stopped(&self) -> u64 {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The others so far.
    pub(crate) fn read(&self) -> LimitsServed {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LimitsServed {
            write_timeout: read(&self.write_timeout),
            message_timeout: read(&self.message_timeout),
            buffered: read(&self.buffered),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_flag_of_every_limit_that_was_reached() {
        let counters = LimitCounters::default();
        assert_eq!(counters.read().to_string(), "");
        for limit in [Limit::WriteTimeout, Limit::Buffered, Limit::Buffered, Limit::Stop] {
            counters.count(limit);
        }
        assert_eq!(
            counters.read().to_string(),
            "; limits: 1 connection ended by --write-timeout, 2 connections ended by \
             --max-buffered"
        );
        assert_eq!(counters.stopped(), 1);
    }
}
