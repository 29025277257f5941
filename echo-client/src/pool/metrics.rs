//! Metrics of a pool: [`Metrics`].

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Exchange, PoolCounts};
use crate::brief::Brief;

/// Longer times are recorded as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Counts and times since the pool was created.
#[derive(Clone)]
pub struct Metrics {
    /// Counts of connections.
    pub counts: PoolCounts,
    /// How long callers waited for a connection to be free or opened, in nanoseconds.
    pub wait: Histogram<u64>,
    /// Connect times without TLS, in nanoseconds.
    pub connect: Histogram<u64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let empty = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("three digits from 1 ns to an hour are within bounds")
        };
        Self { counts: PoolCounts::default(), wait: empty(), connect: empty() }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, wait, connect } = self;
        f.debug_struct("Metrics")
            .field("counts", counts)
            .field("wait", &Brief(wait))
            .field("connect", &Brief(connect))
            .finish()
    }
}

impl Metrics {
    pub(super) fn made(&mut self, exchange: &Exchange) {
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
        let mut metrics = Metrics::default();
        metrics.counts.reused = 3;
        metrics.waited(Duration::from_micros(5));
        let shown = format!("{metrics:?}");
        assert!(shown.len() < 500, "{} bytes", shown.len());
        for part in ["reused: 3", "wait: Histogram { count: 1, min: 5000,", "count: 0"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
