//! The command `echo-server balance`: [`run`].

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::sync::Arc;

use anyhow::Context as _;
use echo_net::address::Address;
use echo_net::socket::SocketOptions;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};

use super::announce;
use crate::balance::{BalanceConfig, Balancer, Lookup};
use crate::binding::Binding;
use crate::capacity::Capacity;
use crate::cli::BalanceArgs;
use crate::logging::{LogFormat, LogStyle};
use crate::server::tell_limit;

/// Runs the balancer until a signal stops it.
///
/// # Errors
/// When it can't listen, or a backend can't be resolved.
pub(crate) fn run(args: &BalanceArgs) -> anyhow::Result<()> {
    LogStyle { format: LogFormat::Text, verbose: 0, quiet: args.quiet }.begin();
    fd_limit::raise();
    let (asked, possible) = (args.max_conns.map(NonZeroU64::get), most_connections(args));
    let limit = asked.unwrap_or(u64::MAX).min(possible.connections);
    let config = BalanceConfig {
        backends: args.backend.iter().cloned().map(Address::as_target).collect(),
        lookup: Lookup::default(),
        policy: args.policy,
        proxy_protocol: args.proxy_protocol,
        max_conns: usize::try_from(limit).unwrap_or(usize::MAX),
        check_interval: args.check_interval.0,
        connect_timeout: args.connect_timeout.0,
        half_close_timeout: args.half_close_timeout.0,
        drain_timeout: args.drain_timeout.0,
    };
    let binding = Binding { address: args.address.clone(), backlog: 4096, reuse_port: false };
    let mut groups = binding.listen(1, &SocketOptions::default())?;
    let listeners = groups.pop().context("no listener was made")?;
    let own = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
    let own = own.context("getting the listener's address")?;
    let ready = ready(&own, &config);
    let balancer = Balancer::new(config, own)?;
    let stop = Stop::new();
    let watched = Arc::clone(&balancer);
    let report = move || tell_so_far(&watched);
    signals::serve_signals(stop.clone(), report).context("setting up signals")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    announce(&ready)?;
    tell_limit(asked, &possible);
    let outcome = runtime.block_on(balancer.run(listeners, &stop)).context("balancing")?;
    // A lookup in progress could take long, and is no longer needed.
    runtime.shutdown_background();
    if !args.quiet {
        let _ = writeln!(io::stderr(), "echo-server: {outcome}");
    }
    Ok(())
}

/// The limit set by descriptors.
fn most_connections(args: &BalanceArgs) -> Capacity {
    // Each connection has two sockets, and each health check one.
    let room = fd_limit::room_for_connections().saturating_sub(args.backend.len() as u64);
    let bound_by = "the open files limit (ulimit -n)".to_owned();
    Capacity { connections: (room / 2).max(1), bound_by }
}

/// Prints statistics and backend health of a running balancer, also with `--quiet`.
fn tell_so_far(balancer: &Balancer) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "echo-server: so far {}", balancer.so_far());
    for backend in balancer.backends() {
        let _ = writeln!(stderr, "echo-server: backend {backend}");
    }
}

fn ready(own: &[SocketAddr], config: &BalanceConfig) -> serde_json::Value {
    let backends: Vec<String> = config.backends.iter().map(Address::to_string).collect();
    serde_json::json!({
        "ready": true,
        "addr": own[0],
        "addrs": own,
        "backends": backends,
        "policy": config.policy.to_string(),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}
