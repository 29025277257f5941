//! What must be there before a run begins: descriptors and ports. A run that can't succeed
//! is refused before the first connection, with the limit and the remedy.

use echo_net::address::Transport;
use echo_net::fd_limit;

use echo_bench_engine::plan::Plan;

/// Descriptors of the generator beside its connections: standard streams, reports, an epoll
/// instance and a wake-up per thread.
const RESERVE: u64 = fd_limit::RESERVE;

/// Why a run would fail.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too few descriptors.
    #[error(
        "--conns {connections} needs {needed} file descriptors and the hard limit is {limit}: \
         raise it (ulimit -Hn, or LimitNOFILE= of the service) or ask for at most {most} connections"
    )]
    Descriptors {
        /// Connections asked for.
        connections: u32,
        /// Descriptors needed.
        needed: u64,
        /// The limit in force.
        limit: u64,
        /// Connections that would fit.
        most: u64,
    },
    /// Too few ports.
    #[error(
        "--conns {connections} needs more source ports than the {ports} of \
         net.ipv4.ip_local_port_range allow from {sources} source address(es): {}",
        for_more_ports(*.over_link)
    )]
    Ports {
        /// Connections asked for.
        connections: u32,
        /// Ports per source address.
        ports: u64,
        /// Source addresses.
        sources: u64,
        /// Whether they are those of an emulated link's host, which has one address, and this
        /// machine's range.
        over_link: bool,
    },
}

fn for_more_ports(over_link: bool) -> &'static str {
    if over_link {
        "widen the range of this machine, which the hosts of the link (--link) take over"
    } else {
        "widen the range, or add --source-ip addresses (127.0.0.2, 127.0.0.3, ... on loopback)"
    }
}

/// Checks a plan against the limits in force: descriptors and the range of ports.
pub fn check(plan: &Plan, limit: u64, ports: Option<u64>) -> Result<(), Unfit> {
    let connections = plan.own_connections();
    let reserve = RESERVE + 2 * u64::from(plan.threads);
    // A caller of a pool has a timer, too.
    let each = if plan.is_pooled() { 2 } else { 1 };
    let needed = each * u64::from(connections) + reserve;
    if needed > limit {
        let most = limit.saturating_sub(reserve) / each;
        return Err(Unfit::Descriptors { connections, needed, limit, most });
    }
    let sources = plan.socket.sources.len().max(1) as u64;
    // A unix-domain socket has none.
    match ports.filter(|_| plan.transport == Transport::Tcp) {
        Some(ports) if u64::from(connections) > ports * sources => {
            Err(Unfit::Ports { connections, ports, sources, over_link: plan.link.is_some() })
        }
        _ => Ok(()),
    }
}

/// How many ports outgoing connections may use on this machine, if that can be read.
pub(crate) fn local_ports() -> Option<u64> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    high.checked_sub(low).map(|span| span + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_does_not_fit_and_names_what_would() {
        let plan = Plan::builder("127.0.0.1:1").connections(1000).build().expect("a plan");
        assert_eq!(check(&plan, 1034, None), Ok(()));
        let refused = check(&plan, 1033, None).unwrap_err();
        assert!(refused.to_string().contains("at most 999 connections"), "{refused}");
        assert!(matches!(check(&plan, 9999, Some(999)), Err(Unfit::Ports { .. })));
        let unix = Plan::builder("unix:/x").connections(1000).build().expect("a plan");
        assert_eq!(check(&unix, 9999, Some(1)), Ok(()));
        let over_link =
            |over_link| Unfit::Ports { connections: 2, ports: 1, sources: 1, over_link };
        assert!(over_link(false).to_string().contains("--source-ip"));
        let said = over_link(true).to_string();
        assert!(said.contains("of this machine") && !said.contains("--source-ip"), "{said}");
        let sources = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        let plan = plan.with(|plan| plan.socket.sources = sources).unwrap();
        assert_eq!(check(&plan, 9999, Some(500)), Ok(()));
    }
}
