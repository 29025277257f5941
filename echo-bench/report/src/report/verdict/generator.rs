//! Findings that the generator was the bottleneck, or may have been: [`Limit`].

use crate::report::nouns::Nouns;

use super::{GENERATOR_LIMITED, Verdict};

/// What of the generator limits the trust in a run.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Limit {
    /// Connections were not made for want of a port or a descriptor.
    /// `over_link`: on the host of an emulated link.
    NoSocket { failed: u64, made: u64, reason: String, over_link: bool },
    /// A thread was saturated; `attributed`: its share of the latencies is known.
    Busy { busy: f64, attributed: bool },
    /// So much of a percentile is the generator's own: late sends, or else slow pickup.
    OwnShare { quantile: &'static str, share: f64, generator_ns: u64, late: bool },
    /// There are more threads than cores for both sides.
    SharedCores { generator: u32, server: u32, forwarder: bool, cores: usize },
    /// A thread wanted to run and did not; with the quota of cores that kept it from it.
    Denied { share: f64, quota: Option<f64> },
}

impl Limit {
    pub(super) fn severity(&self) -> Verdict {
        match self {
            // Its share is known, so the server's numbers stand.
            Self::Busy { attributed: true, .. } => Verdict::Valid,
            // What is left of the generator says nothing of the server.
            Self::Denied { share, .. } if *share > 0.5 => Verdict::Invalid,
            // A few among very many move no number.
            Self::NoSocket { failed, made, .. } if *failed > made / 100 => Verdict::Invalid,
            _ => Verdict::Qualified,
        }
    }

    /// Code, cause and remedy.
    pub(super) fn words(&self, nouns: Nouns) -> (&'static str, String, &'static str) {
        match self {
            Self::NoSocket { failed, made, reason, over_link } => (
                GENERATOR_LIMITED,
                no_socket(*failed, *made, reason),
                if *over_link { FOR_MORE_SOCKETS_OF_A_LINK } else { FOR_MORE_SOCKETS },
            ),
            Self::Busy { busy, attributed } => (
                if *attributed { GENERATOR_BUSY } else { GENERATOR_LIMITED },
                format!("a generator thread was busy for {:.0} % of the time", busy * 100.0),
                "the server may be faster than this; give the generator more --threads or cores",
            ),
            Self::OwnShare { quantile, share, generator_ns, late } => (
                GENERATOR_LIMITED,
                own_share(quantile, *share, *generator_ns, *late, nouns),
                if *late { AGAINST_LATE_SENDS } else { AGAINST_SLOW_PICKUP },
            ),
            Self::SharedCores { generator, server, forwarder, cores } => (
                "shared-cores",
                shared_cores(*generator, *server, *forwarder, *cores),
                "they take time from each other; lower --threads or --server-workers",
            ),
            Self::Denied { share, quota } => (
                GENERATOR_LIMITED,
                denied(*share, *quota),
                if quota.is_some() { AGAINST_QUOTA } else { AGAINST_OTHER_LOAD },
            ),
        }
    }
}

/// What helps a generator that has run out of ports or descriptors.
const FOR_MORE_SOCKETS: &str = "add --source-ip addresses, widen \
     net.ipv4.ip_local_port_range or set net.ipv4.tcp_tw_reuse=1; for descriptors: ulimit -n";

/// The same on the host of an emulated link, which has one address and this machine's settings.
const FOR_MORE_SOCKETS_OF_A_LINK: &str = "widen net.ipv4.ip_local_port_range of this machine or \
     set its net.ipv4.tcp_tw_reuse=1 (the hosts of the link take them over); for descriptors: \
     ulimit -n";

fn no_socket(failed: u64, made: u64, reason: &str) -> String {
    format!(
        "no free local port or socket for {failed} connections, {made} were made ({reason})"
    )
}

/// The code of the note that the generator was saturated, where its share is known.
const GENERATOR_BUSY: &str = "generator-busy";

const AGAINST_LATE_SENDS: &str =
    "use --idle hybrid or spin, give the generator its own core, or lower --rate";
const AGAINST_SLOW_PICKUP: &str =
    "read path for the server's latency; use more --threads or cores, or less load";
const AGAINST_QUOTA: &str = "raise the quota of the control group, or run outside of it";
const AGAINST_OTHER_LOAD: &str =
    "give the generator cores of its own, lower --threads, stop other load";

fn own_share(
    quantile: &str,
    share: f64,
    generator_ns: u64,
    late: bool,
    nouns: Nouns,
) -> String {
    let pickup = format!("slow pickup of {}", nouns.answer.many);
    let part = if late { "late sends" } else { &*pickup };
    format!(
        "{:.0} % of {quantile} ({:.3} ms) is the generator's own: {part}",
        share * 100.0,
        generator_ns as f64 / 1e6
    )
}

fn shared_cores(generator: u32, server: u32, forwarder: bool, cores: usize) -> String {
    let of =
        |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut all = vec![of(generator.into(), "generator thread")];
    if server > 0 {
        all.push(of(server.into(), "server worker"));
    }
    if forwarder {
        all.push("the link's forwarder".into());
    }
    let last = all.pop().unwrap_or_default();
    let all = if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) };
    format!("{all} share {}", of(cores as u64, "core"))
}

fn denied(share: f64, quota: Option<f64>) -> String {
    let cause = match quota {
        Some(cores) => format!("its control group may use {cores:.2} cores"),
        None => "other threads ran, or it was stopped".into(),
    };
    format!(
        "a generator thread wanted to run and did not for {:.0} % of the time: {cause}",
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_share_cores_are_named() {
        for (server, forwarder, said) in [
            (0, false, "2 generator threads share 1 core"),
            (1, false, "2 generator threads and 1 server worker share 1 core"),
            (
                1,
                true,
                "2 generator threads, 1 server worker and the link's forwarder share 1 core",
            ),
        ] {
            assert_eq!(shared_cores(2, server, forwarder, 1), said);
        }
    }
}
