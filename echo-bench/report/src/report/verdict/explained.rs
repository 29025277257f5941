//! Latencies that the kernel's counters explain, or the noise floor of the machine:
//! [`Explained`].

use crate::report::nouns::Nouns;
use crate::report::{ChangedOption, NoiseFloor};

/// The codes of all of them.
pub(super) const CODES: [&str; 5] =
    ["delayed-acks", "retransmissions", "syn-retries", "near-noise-floor", "option-changed"];

/// What latencies stand at, with the proof: a timer of the kernel, or the floor of the machine.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Explained {
    /// Replies of about 40 ms, and acknowledgements that were delayed.
    DelayedAcks { share: f64, count: u64 },
    /// Replies of 200 ms and more, and retransmission timers that ran out.
    Timeouts { share: f64, count: u64 },
    /// Connections of 1 s and more, and SYN segments that were sent again.
    SynRetries { late: u64, retries: u64, overflows: u64 },
    /// A median that is hardly above what the machine has without a server.
    NearNoiseFloor { p50_ns: u64, floor: NoiseFloor },
    /// A socket option that the kernel did not take as it was asked.
    OptionChanged { side: &'static str, changed: ChangedOption },
    /// A server that asked for a kernel thread has found none.
    NoKernelThread,
}

impl Explained {
    /// Code, cause and remedy.
    pub(super) fn words(&self, nouns: Nouns) -> (&'static str, String, &'static str) {
        let replies = nouns.answer.many;
        match self {
            Self::DelayedAcks { share, count } => (
                "delayed-acks",
                format!(
                    "{:.1} % of the {replies} took about 40 ms: the delayed-ACK timer fired {count} \
                     times",
                    share * 100.0
                ),
                "Nagle's algorithm waits for that ACK: set --nodelay on, or write messages whole",
            ),
            Self::Timeouts { share, count } => (
                "retransmissions",
                format!(
                    "{:.1} % of the {replies} took 200 ms or more: the retransmission timer ran out \
                     {count} times",
                    share * 100.0
                ),
                "segments were lost; check the path and the socket buffers",
            ),
            Self::SynRetries { late, retries, overflows } => (
                "syn-retries",
                format!(
                    "{late} connections took 1 s or more: {retries} SYN segments were sent again, \
                     the accept queue overflowed {overflows} times"
                ),
                "raise the server's backlog and net.core.somaxconn, or lower --connect-rate",
            ),
            Self::NearNoiseFloor { p50_ns, floor } => (
                "near-noise-floor",
                near_noise_floor(*p50_ns, floor),
                "compare the CPU per message, or load the server more",
            ),
            Self::NoKernelThread => (
                "option-changed",
                "the server has --uring-sqpoll, and found no kernel thread of its own"
                    .to_owned(),
                "results may be those of a server without it",
            ),
            Self::OptionChanged { side, changed: ChangedOption { flag, asked, actual } } => (
                "option-changed",
                format!(
                    "the kernel has --{flag} {actual} on the {side}'s sockets, not {asked} as asked"
                ),
                match flag.as_str() {
                    "send-buffer" => {
                        "results are for that value; sysctl net.core.wmem_max is the limit"
                    }
                    "recv-buffer" => {
                        "results are for that value; sysctl net.core.rmem_max is the limit"
                    }
                    "fastopen" if *side == "generator" => {
                        "both systems need sysctl -w net.ipv4.tcp_fastopen=3, the server \
                         --fastopen on, and only connections after the first to an address send \
                         data in the SYN (--reconnect-after)"
                    }
                    "fastopen" => "the server's system needs sysctl -w net.ipv4.tcp_fastopen=3",
                    _ => "results are for that value",
                },
            ),
        }
    }
}

fn near_noise_floor(p50_ns: u64, floor: &NoiseFloor) -> String {
    let us = |ns: u64| format!("{:.0} µs", ns as f64 / 1e3);
    if p50_ns < floor.p50_ns {
        return format!(
            "p50 {} is below this machine's noise floor ({}, selftest of {}), so the machine was \
             busier then: run selftest again",
            us(p50_ns),
            us(floor.p50_ns),
            floor.date()
        );
    }
    format!(
        "p50 {} is within 2 x of this machine's noise floor ({}, selftest of {}): at least half \
         of it is the machine, not the server",
        us(p50_ns),
        us(floor.p50_ns),
        floor.date()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verdict::{Finding, Verdict, Warning};
    use echo_bench_engine::plan::{EngineKind, IdleStrategy};

    #[test]
    fn a_median_near_the_noise_floor_is_a_note() {
        let floor = NoiseFloor {
            engine: EngineKind::Epoll,
            idle: IdleStrategy::Auto,
            measured_at: "2026-01-02T03:04:05Z".into(),
            p50_ns: 28_000,
            p99_ns: 60_000,
        };
        let near = Explained::NearNoiseFloor { p50_ns: 41_000, floor };
        let finding = Finding::Kernel(near);
        assert_eq!(finding.severity(), Verdict::Valid);
        let warning: Warning = finding.warning(Nouns::default());
        assert!(warning.is_note());
        assert_eq!(
            warning.message,
            "p50 41 µs is within 2 x of this machine's noise floor (28 µs, selftest of \
             2026-01-02): at least half of it is the machine, not the server"
        );
    }
}
