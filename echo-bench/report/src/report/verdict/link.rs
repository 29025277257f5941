//! What an emulated link did other than it was asked to: [`LinkFault`].

/// The code of packets that left the link late.
pub(crate) const LINK_LATE: &str = "link-late";

/// The code of packets that its forwarder lost.
pub(crate) const LINK_OVERRUN: &str = "link-overrun";

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum LinkFault {
    /// Its forwarder ended before the run.
    Broken,
    /// Packets left it late.
    Late {
        /// One in a hundred by more than this.
        p99_ns: u64,
        /// Of one direction, as asked for.
        delay_ns: u64,
    },
    /// It lost packets that it was not asked to lose.
    Overrun {
        /// So many.
        lost: u64,
        /// That it delivered.
        packets: u64,
    },
}

impl LinkFault {
    /// Code, cause and remedy.
    pub(super) fn words(self) -> (&'static str, String, &'static str) {
        match self {
            Self::Broken => (
                "link-broken",
                "the forwarder of the emulated link ended before the run".into(),
                "see its error message above; run again",
            ),
            Self::Late { p99_ns, delay_ns } => (
                LINK_LATE,
                format!(
                    "1 % of the packets were forwarded more than {} late{}: latencies over the \
                     emulated link are too high by that",
                    microseconds(p99_ns),
                    match delay_ns {
                        0 => String::new(),
                        delay_ns =>
                            format!("; the one-way delay is {}", microseconds(delay_ns)),
                    },
                ),
                "lower the load, use a longer rtt, or leave a core to the forwarder",
            ),
            Self::Overrun { lost, packets } => (
                LINK_OVERRUN,
                format!(
                    "the emulated link lost {lost} packets by overrun ({packets} delivered): its \
                     forwarder did not read them in time"
                ),
                "lower the load, set a rate that this machine can forward, or raise sysctl \
                 net.core.rmem_max",
            ),
        }
    }
}

fn microseconds(ns: u64) -> String {
    format!("{:.0} us", ns as f64 / 1e3)
}
