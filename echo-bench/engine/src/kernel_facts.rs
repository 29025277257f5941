//! What the kernel knew of the connections at their end: [`KernelFacts`].

use std::ops::AddAssign;

use echo_net::socket::EffectiveOptions;
use echo_net::tcp_info::TcpInfo;
use hdrhistogram::Histogram;

/// Facts over the connections that were alive at the end of a run, and over those that were
/// closed for a reconnect.
#[derive(Debug, Clone)]
pub struct KernelFacts {
    /// Connections that were asked.
    pub connections: u64,
    /// Those whose SYN brought data.
    pub with_syn_data: u64,
    /// Segments sent again, in total.
    pub retransmits: u64,
    /// Smoothed round-trip times in microseconds, one a connection, of which there may be any
    /// number.
    pub rtt_us: Histogram<u64>,
    /// The least round-trip time of any connection in microseconds.
    pub min_rtt_us: Option<u32>,
    /// Socket options of the first connection, as the kernel has them.
    pub options: Option<EffectiveOptions>,
}

impl Default for KernelFacts {
    fn default() -> Self {
        Self {
            connections: 0,
            with_syn_data: 0,
            retransmits: 0,
            rtt_us: Histogram::new(3).expect("3 digits are supported"),
            min_rtt_us: None,
            options: None,
        }
    }
}

impl KernelFacts {
    /// The median of the round-trip times in microseconds.
    pub fn rtt_median_us(&self) -> Option<u32> {
        let median = self.rtt_us.value_at_quantile(0.5);
        let median = u32::try_from(self.rtt_us.lowest_equivalent(median)).ok();
        median.filter(|_| !self.rtt_us.is_empty())
    }

    /// Adds a connection, whose `options` are asked for if they are the first.
    pub(super) fn add(
        &mut self,
        info: Option<TcpInfo>,
        options: impl FnOnce() -> Option<EffectiveOptions>,
    ) {
        self.options = self.options.or_else(options);
        let Some(info) = info else { return };
        self.connections += 1;
        self.with_syn_data += u64::from(info.has_syn_data);
        self.retransmits += info.retransmits;
        self.rtt_us.record(info.rtt_us.into()).expect("it grows to the range of the value");
        let least = self.min_rtt_us.unwrap_or(u32::MAX).min(info.min_rtt_us);
        self.min_rtt_us = Some(least);
    }
}

impl AddAssign for KernelFacts {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.with_syn_data += other.with_syn_data;
        self.retransmits += other.retransmits;
        self.rtt_us.add(other.rtt_us).expect("it grows to the range of the other");
        self.min_rtt_us = [self.min_rtt_us, other.min_rtt_us].into_iter().flatten().min();
        self.options = self.options.or(other.options);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_all_threads_and_takes_no_room_for_each_connection() {
        assert_eq!(KernelFacts::default().rtt_median_us(), None);
        let facts = |all: std::ops::Range<u32>| {
            let mut facts = KernelFacts::default();
            for rtt_us in all {
                let info = TcpInfo { rtt_us, min_rtt_us: rtt_us, ..TcpInfo::default() };
                facts.add(Some(info), || None);
            }
            facts
        };
        let mut all = facts(1..100_000);
        all += facts(100_000..200_000);
        let median = all.rtt_median_us().unwrap();
        assert!((99_000..=101_000).contains(&median), "{median}");
        assert_eq!((all.connections, all.min_rtt_us), (199_999, Some(1)));
        assert!(all.rtt_us.distinct_values() < 20_000);
        all += facts(u32::MAX - 1..u32::MAX);
        assert_eq!(all.rtt_us.len(), 200_000);
    }
}
