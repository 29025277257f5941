//! What the kernel knew of the connections at their end: [`KernelFacts`].

use std::ops::AddAssign;

use echo_net::tcp_info::TcpInfo;

/// Facts over the connections that were alive at the end of a run, and over those that were
/// closed to be made again.
#[derive(Debug, Clone, Default)]
pub struct KernelFacts {
    /// Connections that were asked.
    pub connections: u64,
    /// Segments sent again, in total.
    pub retransmits: u64,
    /// Smoothed round-trip times in microseconds, one a connection.
    pub rtt_us: Vec<u32>,
    /// The least round-trip time of any connection in microseconds.
    pub min_rtt_us: Option<u32>,
    /// Kernel buffer sizes (send, receive) of the first connection in bytes.
    pub buffers: Option<(usize, usize)>,
}

impl KernelFacts {
    /// Adds a connection.
    pub(super) fn add(&mut self, info: Option<TcpInfo>, buffers: Option<(usize, usize)>) {
        self.buffers = self.buffers.or(buffers);
        let Some(info) = info else { return };
        self.connections += 1;
        self.retransmits += info.retransmits;
        self.rtt_us.push(info.rtt_us);
        let least = self.min_rtt_us.unwrap_or(u32::MAX).min(info.min_rtt_us);
        self.min_rtt_us = Some(least);
    }
}

impl AddAssign for KernelFacts {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.retransmits += other.retransmits;
        self.rtt_us.extend(other.rtt_us);
        self.min_rtt_us = [self.min_rtt_us, other.min_rtt_us].into_iter().flatten().min();
        self.buffers = self.buffers.or(other.buffers);
    }
}
