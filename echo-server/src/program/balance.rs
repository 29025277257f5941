//! The command `echo-server balance`: [`run`].

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use echo_metrics::{Health, ProcessMetrics};
use echo_net::address::{Address, HostAddress, SocketAddress};
use echo_net::listener::SocketFile;
use echo_net::socket::SocketOptions;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};
use tracing::warn;

use super::{addresses_of, announce, answer, remove, serve_metrics};
use crate::balance::{BalanceConfig, Balancer, Lookup};
use crate::binding::Binding;
use crate::capacity::Capacity;
use crate::cli::BalanceArgs;
use crate::logging::{LogFormat, LogStyle};
use crate::metrics::{BalanceMetrics, Endpoint};
use crate::model::tokio::launch;
use crate::sandbox::{self, Needs};
use crate::server::tell_limit;

/// Runs the balancer until a signal stops it.
///
/// # Errors
/// When it can't listen, or a backend can't be resolved.
pub(crate) fn run(args: &BalanceArgs) -> anyhow::Result<()> {
    LogStyle { format: LogFormat::Text, verbose: args.verbose, quiet: args.quiet }.begin();
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
        dial_timeout: args.dial_timeout.0,
        half_close_timeout: args.half_close_timeout.0,
        drain_timeout: args.drain_timeout.0,
    };
    let binding = Binding { address: args.address.clone(), backlog: 4096, reuse_port: false };
    let mut opened = binding.open(1, &SocketOptions::default())?;
    let listeners = opened.groups.pop().context("no listener was made")?;
    let own = addresses_of(&listeners)?;
    // Before the sandbox, after which nothing can be bound.
    let metrics = args.metrics.as_ref().map(Endpoint::bind).transpose()?;
    let ready = ready(&own, &config, metrics.as_ref());
    for address in own.iter().filter(|address| !address.is_loopback()) {
        warn!(%address, "public address: whoever reaches it reaches the backends");
    }
    let file = opened.file.take();
    let sandbox = (!args.no_sandbox).then(|| needs(&config, file.as_ref()));
    let balancer = Balancer::new(config, own)?;
    // After the names were looked up once, so that the resolver has loaded its libraries; before
    // there are threads, which inherit it.
    if let Some(needs) = sandbox {
        sandbox::enter(&needs);
    }
    let stop = Stop::new();
    let health = Health::new(stop.clone());
    let watched = Arc::clone(&balancer);
    let report = move || tell_so_far(&watched);
    let answer = move |request| answer(request, &report);
    // Before there are threads, to which a signal could go meanwhile.
    signals::serve_signals(stop.clone(), answer).context("setting up signals")?;
    serve_metrics(
        metrics,
        BalanceMetrics(Arc::clone(&balancer)),
        ProcessMetrics::default(),
        &health,
    )?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let runtime = launch(workers, |_| {}, |_| {}).context("starting the balancer's threads")?;
    announce(&ready)?;
    health.begin();
    tell_limit(asked, &possible);
    let outcome = runtime.block_on(balancer.run(listeners, &stop)).context("balancing");
    remove(file);
    let outcome = outcome?;
    // A lookup in progress could take long, and is no longer needed.
    runtime.shutdown_background();
    if !args.quiet {
        let _ = writeln!(io::stderr(), "echo-server: {outcome}");
    }
    Ok(())
}

/// What a balancer still needs once it listens: connections to its backends, and the resolver
/// where they have names.
fn needs(config: &BalanceConfig, file: Option<&SocketFile>) -> Needs {
    let ports = config.backends.iter().filter_map(Address::as_tcp).map(HostAddress::port);
    Needs {
        connects_to: ports.collect(),
        removes_in: file.map(|file| file.folder().to_owned()),
        resolves: config.backends.iter().any(|backend| !backend.is_literal()),
        ends_processes: false,
    }
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

fn ready(
    own: &[SocketAddress],
    config: &BalanceConfig,
    metrics: Option<&Endpoint>,
) -> serde_json::Value {
    let backends: Vec<String> = config.backends.iter().map(Address::to_string).collect();
    serde_json::json!({
        "ready": true,
        "addr": own[0],
        "addrs": own,
        "backends": backends,
        "policy": config.policy.to_string(),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "metrics": metrics.map(Endpoint::address),
    })
}
