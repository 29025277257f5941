//! The command `echo-server balance`: what was typed ([`BalanceArgs`]), and [`run`].

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use echo_net::address::Address;
use echo_net::settings::{TimeSpan, at_least_one};
use echo_net::socket::SocketOptions;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};

use super::{Balancer, Config, Lookup, Policy, ProxyProtocol};
use crate::binding::Binding;
use crate::choice::choice;
use crate::logging::{LogFormat, LogStyle};
use crate::model::Capacity;
use crate::program;
use crate::server::tell_limit;

/// A balancer, as typed.
#[derive(Debug, Clone, Args)]
pub struct BalanceArgs {
    /// Where to listen: HOST:PORT (IPv6 in brackets), :PORT for all interfaces (IPv4 and IPv6),
    /// or PORT
    #[arg(default_value = "127.0.0.1:8080")]
    pub address: Address,

    /// Backend server (repeatable); a name is tried at each of its addresses
    #[arg(long, value_name = "ADDR", required = true)]
    pub backend: Vec<Address>,

    /// Load balancing policy
    #[arg(long, value_parser = choice::<Policy>(), default_value_t)]
    pub policy: Policy,

    /// Send the client's address to backends (PROXY protocol)
    #[arg(long, value_parser = choice::<ProxyProtocol>())]
    pub proxy_protocol: Option<ProxyProtocol>,

    /// Maximum concurrent connections; more wait in the backlog [default: what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU64>)]
    pub max_conns: Option<NonZeroU64>,

    /// Health check interval; a backend is out after 3 failures and back after 2 successes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = above_zero)]
    pub check_interval: TimeSpan,

    /// Connect timeout for each address of a backend
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = above_zero)]
    pub connect_timeout: TimeSpan,

    /// Idle timeout of a half-closed connection
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = above_zero)]
    pub half_close_timeout: TimeSpan,

    /// How long a graceful stop may take before it is forced
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub drain_timeout: TimeSpan,

    /// Log errors only, and no summary
    #[arg(short, long)]
    pub quiet: bool,
}

/// Balances until a signal stops it.
///
/// # Errors
/// When it can't listen, or a backend's name stands for nothing.
pub fn run(args: &BalanceArgs) -> anyhow::Result<()> {
    LogStyle { format: LogFormat::Text, verbose: 0, quiet: args.quiet }.begin();
    fd_limit::raise();
    let (asked, possible) = (args.max_conns.map(NonZeroU64::get), most_connections(args));
    let limit = asked.unwrap_or(u64::MAX).min(possible.connections);
    let config = Config {
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
    let own = own.context("asking for the listener's address")?;
    let ready = ready(&own, &config);
    let balancer = Balancer::new(config, own)?;
    let stop = Stop::new();
    let watched = Arc::clone(&balancer);
    let report = move || tell_so_far(&watched);
    signals::serve_signals(stop.clone(), report).context("setting up signals")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    program::announce(&ready)?;
    tell_limit(asked, &possible);
    let outcome = runtime.block_on(balancer.run(listeners, &stop)).context("balancing")?;
    // A lookup that is under way could take long, and nobody waits for it any more.
    runtime.shutdown_background();
    if !args.quiet {
        let _ = writeln!(io::stderr(), "echo-server: {outcome}");
    }
    Ok(())
}

/// What descriptors allow.
fn most_connections(args: &BalanceArgs) -> Capacity {
    // Each connection has two sockets, and checks need one each.
    let room = fd_limit::room_for_connections().saturating_sub(args.backend.len() as u64);
    let bound_by = "the limit of open files (ulimit -n)".to_owned();
    Capacity { connections: (room / 2).max(1), bound_by }
}

/// Says what a running balancer has done, and how its backends do; whoever asks wants to
/// know, also with `--quiet`.
fn tell_so_far(balancer: &Balancer) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "echo-server: so far {}", balancer.so_far());
    for backend in balancer.backends() {
        let _ = writeln!(stderr, "echo-server: backend {backend}");
    }
}

fn above_zero(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if span.is_zero() => Err("must be above 0 (try 1s)".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

fn ready(own: &[SocketAddr], config: &Config) -> serde_json::Value {
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
