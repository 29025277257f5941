//! Counters of the kernel's TCP, over all connections of this network namespace:
//! [`TcpCounters`], from `/proc/net/netstat` and `/proc/net/snmp`. What happened between two
//! looks explains latencies that stand at a timer of the kernel.

use std::fs;

use serde::{Deserialize, Serialize};

/// Counters since the network namespace was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TcpCounters {
    /// Acknowledgements that were delayed (RFC 1122 4.2.3.2): sent by the timer, 40 ms on Linux.
    pub delayed_acks: u64,
    /// Segments sent again, of all causes.
    pub retransmits: u64,
    /// Times that the retransmission timer ran out, at least 200 ms on Linux.
    pub timeouts: u64,
    /// SYN or SYN-ACK segments sent again, after 1 s.
    pub syn_retransmits: u64,
    /// Connections that a full accept queue could not take.
    pub listen_overflows: u64,
    /// Tail loss probes: sent when no acknowledgement came for two round trips.
    pub loss_probes: u64,
}

impl TcpCounters {
    /// As of now; `None` where the kernel has none.
    pub fn read() -> Option<Self> {
        Self::below("/proc/net")
    }

    /// Those of a process whose network namespace is another one than this process's; `None` if it
    /// is not, or can't be seen.
    pub fn read_beside(pid: u32) -> Option<Self> {
        let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let (own, other) = (namespace("self")?, namespace(&pid.to_string())?);
        (own != other).then(|| Self::below(&format!("/proc/{pid}/net"))).flatten()
    }

    fn below(folder: &str) -> Option<Self> {
        let netstat = fs::read_to_string(format!("{folder}/netstat")).ok()?;
        let snmp = fs::read_to_string(format!("{folder}/snmp")).ok()?;
        Self::of(&netstat, &snmp)
    }

    fn of(netstat: &str, snmp: &str) -> Option<Self> {
        let extended = |name| value(netstat, "TcpExt:", name);
        Some(Self {
            delayed_acks: extended("DelayedACKs")?,
            retransmits: value(snmp, "Tcp:", "RetransSegs")?,
            timeouts: extended("TCPTimeouts")?,
            syn_retransmits: extended("TCPSynRetrans")?,
            listen_overflows: extended("ListenOverflows")?,
            loss_probes: extended("TCPLossProbes")?,
        })
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            delayed_acks: self.delayed_acks.saturating_add(other.delayed_acks),
            retransmits: self.retransmits.saturating_add(other.retransmits),
            timeouts: self.timeouts.saturating_add(other.timeouts),
            syn_retransmits: self.syn_retransmits.saturating_add(other.syn_retransmits),
            listen_overflows: self.listen_overflows.saturating_add(other.listen_overflows),
            loss_probes: self.loss_probes.saturating_add(other.loss_probes),
        }
    }

    /// What happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            delayed_acks: self.delayed_acks.saturating_sub(earlier.delayed_acks),
            retransmits: self.retransmits.saturating_sub(earlier.retransmits),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            syn_retransmits: self.syn_retransmits.saturating_sub(earlier.syn_retransmits),
            listen_overflows: self.listen_overflows.saturating_sub(earlier.listen_overflows),
            loss_probes: self.loss_probes.saturating_sub(earlier.loss_probes),
        }
    }
}

/// The value of a name: a line of names is followed by one of values, both after a prefix.
fn value(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(prefix));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_whitespace().position(|known| known == name)?;
    values.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETSTAT: &str = "TcpExt: ListenOverflows DelayedACKs TCPTimeouts TCPSynRetrans \
                           TCPLossProbes\nTcpExt: 1 20 3 4 5\nIpExt: InOctets\nIpExt: 9\n";
    const SNMP: &str = "Ip: Forwarding\nIp: 1\nTcp: InSegs RetransSegs\nTcp: 7 60\n";

    #[test]
    fn reads_names_and_values_and_nothing_of_half_a_file() {
        let counters = TcpCounters::of(NETSTAT, SNMP).unwrap();
        assert_eq!((counters.delayed_acks, counters.retransmits), (20, 60));
        assert_eq!((counters.listen_overflows, counters.loss_probes), (1, 5));
        let earlier = TcpCounters { delayed_acks: 15, ..TcpCounters::default() };
        assert_eq!(counters.since(&earlier).delayed_acks, 5);
        assert_eq!(TcpCounters::of(&NETSTAT[..90], SNMP), None);
        assert_eq!(TcpCounters::of(NETSTAT, ""), None);
    }

    #[test]
    fn this_machine_has_them() {
        assert!(TcpCounters::read().is_some());
    }
}
