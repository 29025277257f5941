//! The command `echo-server balance`: what was typed ([`BalanceArgs`]), and [`run`].

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use anyhow::{Context as _, bail};
use clap::Args;
use echo_net::address::Address;
use echo_net::settings::{TimeSpan, at_least_one};
use echo_net::socket::SocketOptions;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};

use super::{Config, Policy, ProxyProtocol};
use crate::binding::Binding;
use crate::choice::choice;
use crate::logging::{LogFormat, LogStyle};
use crate::program;

/// A balancer, as typed.
#[derive(Debug, Clone, Args)]
pub struct BalanceArgs {
    /// Where to listen: HOST:PORT (IPv6 in brackets), :PORT for all interfaces, or PORT
    #[arg(default_value = "127.0.0.1:8080")]
    pub address: Address,

    /// A server behind it (repeatable)
    #[arg(long, value_name = "ADDR", required = true)]
    pub backend: Vec<Address>,

    /// How a backend is picked
    #[arg(long, value_parser = choice::<Policy>(), default_value_t)]
    pub policy: Policy,

    /// Tell backends who the client is, by the PROXY protocol
    #[arg(long, value_parser = choice::<ProxyProtocol>())]
    pub proxy_protocol: Option<ProxyProtocol>,

    /// Most connections at a time; more wait [default: what the limit of open files allows]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>)]
    pub max_conns: Option<NonZeroUsize>,

    /// Time between two checks of a backend; out after 3 failures, back after 2 successes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = above_zero)]
    pub check_interval: TimeSpan,

    /// How long to try to reach a backend before the next one
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = above_zero)]
    pub connect_timeout: TimeSpan,

    /// How long nothing may move on a connection of which one side has ended
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
    // Each connection has two sockets, and checks need one each.
    let room = fd_limit::room_for_connections() as usize;
    let most = (room.saturating_sub(args.backend.len()) / 2).max(1);
    let config = Config {
        backends: args.backend.iter().map(backend).collect::<Result<_, _>>()?,
        policy: args.policy,
        proxy_protocol: args.proxy_protocol,
        max_conns: args.max_conns.map_or(most, |asked| asked.get().min(most)),
        check_interval: args.check_interval.0,
        connect_timeout: args.connect_timeout.0,
        half_close_timeout: args.half_close_timeout.0,
        drain_timeout: args.drain_timeout.0,
    };
    let binding = Binding { address: args.address.clone(), backlog: 4096, reuse_port: false };
    let mut listeners = binding.listen(1, &SocketOptions::default())?;
    let listener = listeners.pop().context("no listener was made")?;
    let own = listener.local_addr()?;
    if let Some(backend) = config.backends.iter().find(|backend| is_itself(own, **backend)) {
        bail!("--backend {backend} is this balancer itself: it would call itself for ever");
    }
    let stop = Stop::new();
    signals::ask_on_signals(stop.clone()).context("setting up signals")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    announce(own, &config)?;
    let outcome = runtime.block_on(super::run(listener, config, &stop)).context("balancing")?;
    if !args.quiet {
        let super::Outcome { connections, unserved, cut } = outcome;
        let told = format!("{connections} connections, {unserved} unserved, {cut} cut");
        let _ = writeln!(io::stderr(), "echo-server: {told}");
    }
    Ok(())
}

fn above_zero(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if span.is_zero() => Err("must be above 0 (try 1s)".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

fn backend(address: &Address) -> anyhow::Result<SocketAddr> {
    let target = address.clone().as_target();
    let found = target.resolve().with_context(|| format!("looking up --backend {address}"))?;
    found.first().copied().with_context(|| format!("--backend {address} has no address"))
}

fn is_itself(own: SocketAddr, backend: SocketAddr) -> bool {
    let here = own.ip() == backend.ip()
        || (own.ip().is_unspecified()
            && (backend.ip().is_loopback() || backend.ip().is_unspecified()));
    here && own.port() == backend.port()
}

fn announce(addr: SocketAddr, config: &Config) -> anyhow::Result<()> {
    program::announce(&serde_json::json!({
        "ready": true,
        "addr": addr,
        "backends": config.backends,
        "policy": config.policy.to_string(),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}
