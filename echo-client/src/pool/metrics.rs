//! What happened in a pool: [`Metrics`].

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Exchange;
use crate::brief::Brief;

/// Times above this are recorded as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Counts, and how long things took, since the pool was made.
#[derive(Clone)]
pub struct Metrics {
    /// Connections made.
    pub created: u64,
    /// Times that a connection was given out which had been used before.
    pub reused: u64,
    /// Connections that were not used again, by cause.
    pub discarded: Discarded,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Callers who gave up waiting, as all connections were in use.
    pub wait_timeouts: u64,
    /// How long callers waited until they had a connection, in nanoseconds: for one to
    /// become free, or to be made.
    pub wait: Histogram<u64>,
    /// How long connections took to make, TLS excluded, in nanoseconds.
    pub connect: Histogram<u64>,
}

/// Why connections were not used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discarded {
    /// The server had closed them.
    pub closed: u64,
    /// They held bytes that nobody had asked for.
    pub unsolicited: u64,
    /// They had idled for too long.
    pub idle: u64,
    /// They had served their number of requests.
    pub used: u64,
    /// A request on them failed, or its caller gave up.
    pub broken: u64,
}

impl Discarded {
    /// For whatever cause.
    pub fn total(&self) -> u64 {
        let Self { closed, unsolicited, idle, used, broken } = self;
        closed + unsolicited + idle + used + broken
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let empty = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("three digits from 1 ns to an hour are within bounds")
        };
        Self {
            created: 0,
            reused: 0,
            discarded: Discarded::default(),
            connect_failures: 0,
            wait_timeouts: 0,
            wait: empty(),
            connect: empty(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created, reused, discarded, connect_failures, wait_timeouts, wait, connect } =
            self;
        f.debug_struct("Metrics")
            .field("created", created)
            .field("reused", reused)
            .field("discarded", discarded)
            .field("connect_failures", connect_failures)
            .field("wait_timeouts", wait_timeouts)
            .field("wait", &Brief(wait))
            .field("connect", &Brief(connect))
            .finish()
    }
}

impl Metrics {
    pub(super) fn made(&mut self, exchange: &Exchange) {
        self.created += 1;
        record(&mut self.connect, exchange.connected_in());
    }

    pub(super) fn waited(&mut self, wait: Duration) {
        record(&mut self.wait, wait);
    }
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS).max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_shown_in_a_few_lines() {
        let mut metrics = Metrics { reused: 3, ..Metrics::default() };
        metrics.waited(Duration::from_micros(5));
        let shown = format!("{metrics:?}");
        assert!(shown.len() < 500, "{} bytes", shown.len());
        for part in ["reused: 3", "wait: Histogram { count: 1, min: 5000,", "count: 0"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
