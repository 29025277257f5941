//! What happened around a run on its machine: [`SurroundingsReport`]. What the kernel does not
//! say is null, never guessed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_bench_engine::{RunRecord, Surroundings};
use echo_net::netstat::TcpCounters;

/// Over the measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SurroundingsReport {
    /// CPUs on which the generator's threads were seen to work.
    pub generator_cpus: Vec<usize>,
    /// CPUs on which the server's threads were seen to work; empty for a server on another host
    /// or with very many threads.
    pub server_cpus: Vec<usize>,
    /// Cores that the control group of the generator may use; null without a limit.
    pub quota_cores: Option<f64>,
    /// Seconds for which threads of that group were kept from running by a quota.
    pub throttled_s: Option<f64>,
    /// Cores that all processes of the machine kept busy, on average.
    pub machine_busy: Option<f64>,
    /// Cores that the hypervisor took away, on average.
    pub stolen: Option<f64>,
    /// What the kernel's TCP counted, over all connections of the network namespace, and of the
    /// server's over an emulated link.
    pub tcp: Option<TcpReport>,
}

/// Events of the kernel's TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpReport {
    /// Acknowledgements that the delayed-ACK timer sent, after about 40 ms.
    pub delayed_acks: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Times that the retransmission timer ran out, after at least 200 ms.
    pub timeouts: u64,
    /// SYN or SYN-ACK segments sent again, after 1 s.
    pub syn_retransmits: u64,
    /// Connections that a full accept queue could not take.
    pub listen_overflows: u64,
}

impl TcpReport {
    /// What was counted.
    pub(super) fn of(tcp: &TcpCounters) -> Self {
        Self {
            delayed_acks: tcp.delayed_acks,
            retransmits: tcp.retransmits,
            timeouts: tcp.timeouts,
            syn_retransmits: tcp.syn_retransmits,
            listen_overflows: tcp.listen_overflows,
        }
    }
}

impl SurroundingsReport {
    /// Of a run.
    pub(crate) fn new(record: &RunRecord) -> Self {
        let Surroundings { tcp, quota, throttled, machine, server_cpus } = &record.surroundings;
        let window_s = record.measured_ns as f64 / 1e9;
        let mean =
            |time: std::time::Duration| (window_s > 0.0).then(|| time.as_secs_f64() / window_s);
        Self {
            generator_cpus: record.cpus.clone(),
            server_cpus: server_cpus.clone(),
            quota_cores: *quota,
            throttled_s: throttled.map(|time| time.as_secs_f64()),
            machine_busy: machine.and_then(|machine| mean(machine.busy)),
            stolen: machine.and_then(|machine| mean(machine.stolen)),
            tcp: tcp.as_ref().map(TcpReport::of),
        }
    }

    /// Whether both sides were seen on a CPU in common; `None` if one of them was not seen.
    pub(crate) fn shares_cpus(&self) -> Option<bool> {
        let seen = !self.generator_cpus.is_empty() && !self.server_cpus.is_empty();
        seen.then(|| self.generator_cpus.iter().any(|cpu| self.server_cpus.contains(cpu)))
    }
}
