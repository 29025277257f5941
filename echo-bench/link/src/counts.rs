//! What a link did: [`LinkCounts`], as its forwarder tells it at its end.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the packets of one direction. Bytes are those of the rate: without the headers
/// of Ethernet and IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DirectionCounts {
    /// Packets that entered the link.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that left it at the other end.
    pub delivered: u64,
    /// Packets that were lost by chance, as asked for.
    pub lost: u64,
    /// Packets that found the queue full.
    pub dropped_queue_full: u64,
}

/// How late packets left the link: the instant at which they did minus the one at which they were
/// due, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lateness {
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// Maximum.
    pub max_ns: u64,
}

/// What a link did, from its set-up to the end of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LinkCounts {
    /// From the generator to the server.
    pub to_server: DirectionCounts,
    /// From the server to the generator.
    pub to_generator: DirectionCounts,
    /// Packets that the forwarder itself lost: it was too slow for the kernel's buffers. None of
    /// the link that was asked for.
    pub lost_by_forwarder: u64,
    /// How late packets left the link; null if none did.
    pub lateness: Option<Lateness>,
    /// CPU time of the forwarder, in microseconds.
    pub cpu_us: u64,
    /// How long it worked.
    pub elapsed_ns: u64,
}

impl LinkCounts {
    /// Packets that left the link at either end.
    pub fn delivered(&self) -> u64 {
        self.to_server.delivered.saturating_add(self.to_generator.delivered)
    }

    /// Packets that found a queue full, in either direction.
    pub fn dropped_queue_full(&self) -> u64 {
        let Self { to_server, to_generator, .. } = self;
        to_server.dropped_queue_full.saturating_add(to_generator.dropped_queue_full)
    }
}

impl Lateness {
    /// Of a histogram of nanoseconds.
    pub(crate) fn of(late: &Histogram<u64>) -> Option<Self> {
        (!late.is_empty()).then(|| Self {
            p50_ns: late.value_at_quantile(0.5),
            p99_ns: late.value_at_quantile(0.99),
            max_ns: late.max(),
        })
    }
}
