//! A layer-4 load balancer: [`Balancer`] accepts, selects a backend and copies bytes both ways
//! with independent half-close. An unreachable backend is skipped before the client notices.
//! Whatever is cut short is reset on both sides. Payload is not interpreted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use echo_net::address::{Address, PeerAddress, SocketAddress};
use echo_net::clock;
use echo_net::listener::Listener;
use echo_net::reactor::ACCEPT_PAUSE;
use echo_net::socket::{SocketOptions, TcpOptions, is_peers_fault};
use echo_net::stop::{Stage, Stop};
use echo_net::stream::Stream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::counted::counted;
use crate::log_limit::LogLimit;
use crate::model::tokio::accept::{Listeners, reached, stages};

mod backends;
mod checking;
mod copying;
mod counters;
mod dialing;
mod guarded;
mod lookup;
mod proxy_header;

use backends::Backends;
pub use backends::Policy;
use checking::check;
use copying::{Broken, copy_both_ways};
pub use counters::BalanceSummary;
use counters::{BalanceCounters, count};
use dialing::Unreached;
use guarded::Guarded;
pub use lookup::{BackendError, Lookup};
pub use proxy_header::ProxyProtocol;

/// For both sides: keepalive detects peers that have vanished.
const OPTIONS: SocketOptions = SocketOptions {
    nodelay: true,
    send_buffer: None,
    recv_buffer: None,
    keepalive: Some(Duration::from_mins(1)),
    tcp: TcpOptions::SYSTEM,
};

/// Configuration of a balancer.
#[derive(Debug, Clone)]
pub struct BalanceConfig {
    /// The backends; at least one. All addresses of a backend are tried, and its name is
    /// resolved again while it is down.
    pub backends: Vec<Address>,
    /// Resolves the backends.
    pub lookup: Lookup,
    /// Load balancing policy.
    pub policy: Policy,
    /// Whether backends receive the client's address (PROXY protocol).
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Maximum concurrent connections; more wait in the backlog.
    pub max_conns: usize,
    /// Health check interval.
    pub check_interval: Duration,
    /// Connect timeout per address of a backend.
    pub connect_timeout: Duration,
    /// Connect timeout of a client: for all backends together.
    pub dial_timeout: Duration,
    /// Idle timeout of half-closed connections.
    pub half_close_timeout: Duration,
    /// Maximum duration of a graceful stop.
    pub drain_timeout: Duration,
}

/// Limits of log lines, by kind.
#[derive(Debug, Default)]
struct LogLimits {
    accepting: LogLimit,
    dials: LogLimit,
    unserved: LogLimit,
    broken: LogLimit,
}

/// The state of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackendState {
    /// As typed.
    pub(crate) name: String,
    /// Whether it passes its health checks.
    pub(crate) up: bool,
    /// Open connections.
    pub(crate) open: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Balancer {
    config: BalanceConfig,
    /// Its own listen addresses.
    own: Vec<SocketAddress>,
    backends: Backends,
    counters: BalanceCounters,
    limits: LogLimits,
}

impl Balancer {
    /// A balancer that will listen on the addresses `own`. Resolves the backends, which may
    /// block.
    ///
    /// # Errors
    /// When a backend has no address, or is the balancer itself.
    pub fn new<A: Into<SocketAddress>>(
        config: BalanceConfig,
        own: Vec<A>,
    ) -> Result<Arc<Self>, BackendError> {
        let own: Vec<SocketAddress> = own.into_iter().map(Into::into).collect();
        let find = |name: &Address| Ok((name.clone(), config.lookup.find(name, &own)?));
        let found = config.backends.iter().map(find).collect::<Result<_, BackendError>>()?;
        Ok(Arc::new(Self {
            backends: Backends::new(found, config.policy),
            config,
            own,
            counters: BalanceCounters::default(),
            limits: LogLimits::default(),
        }))
    }

    /// Runs on non-blocking listeners until `stop` is requested and all connections have ended,
    /// or until it is forced.
    ///
    /// # Errors
    /// When the listeners can't be used.
    pub async fn run<L: Into<Listener>>(
        self: Arc<Self>,
        listeners: Vec<L>,
        stop: &Stop,
    ) -> io::Result<BalanceSummary> {
        let listeners = listeners.into_iter().map(Into::into).collect();
        let mut listeners = Listeners::new(listeners)?;
        let room = Arc::new(Semaphore::new(self.config.max_conns.min(Semaphore::MAX_PERMITS)));
        let mut checks = JoinSet::new();
        for backend in self.backends.numbers() {
            checks.spawn(check(Arc::clone(&self), backend));
        }
        let mut open = JoinSet::new();
        let draining = reached(stages(stop), Stage::Draining);
        tokio::pin!(draining);
        loop {
            let accepted = tokio::select! {
                () = &mut draining => break,
                Some(_) = open.join_next(), if !open.is_empty() => continue,
                accepted = accept(&mut listeners, &room) => accepted,
            };
            match accepted {
                Ok((client, peer, permit)) => {
                    let balancer = Arc::clone(&self);
                    open.spawn(async move {
                        balancer.serve(client, peer).await;
                        drop(permit);
                    });
                }
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => {
                    if let Some(suppressed) = self.limits.accepting.pass(clock::now()) {
                        warn!(%error, suppressed, "accepting failed; pausing for 100 ms");
                    }
                    // A stop ends the pause, and so does a connection that ends: its descriptors
                    // are free.
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_nanos(ACCEPT_PAUSE)) => {}
                        () = &mut draining => break,
                        Some(_) = open.join_next(), if !open.is_empty() => {}
                    }
                }
            }
        }
        drop(listeners);
        let ended = async { while open.join_next().await.is_some() {} };
        let forced = reached(stages(stop), Stage::Forced);
        tokio::select! {
            _ = timeout(self.config.drain_timeout, ended) => {}
            () = forced => {}
        }
        while open.try_join_next().is_some() {}
        let cut = open.len() as u64;
        // Waits until each has reset both of its sides, which takes no time.
        open.shutdown().await;
        Ok(BalanceSummary { cut, ..self.so_far() })
    }

    /// Statistics so far.
    pub fn so_far(&self) -> BalanceSummary {
        self.counters.read()
    }

    /// The state of each backend.
    pub(crate) fn backend_states(&self) -> impl Iterator<Item = BackendState> {
        self.backends.numbers().map(|backend| {
            let (up, open) = self.backends.state(backend);
            let name = self.backends.name(backend).to_string();
            BackendState { name, up, open: open as u64 }
        })
    }

    /// The health of each backend as text.
    pub fn backends(&self) -> impl Iterator<Item = String> {
        self.backend_states().map(|BackendState { name, up, open }| {
            let health = if up { "up" } else { "down" };
            format!("{name} is {health}, {} open", counted(open, "connection"))
        })
    }

    async fn serve(&self, client: Stream, peer: PeerAddress) {
        let mut client = Guarded::new(client);
        let (backend, _in_use) = match self.reach_a_backend(client.stream(), peer).await {
            Ok(reached) => reached,
            Err(unreached) => return self.leave_unserved(peer, &unreached),
        };
        let mut backend = Guarded::new(backend);
        count(&self.counters.connections);
        let timeout = self.config.half_close_timeout;
        match copy_both_ways(client.stream(), backend.stream(), timeout).await {
            Ok(()) => {
                client.has_ended();
                backend.has_ended();
            }
            Err(broken) => {
                count(match broken {
                    Broken::Failed(_) => &self.counters.reset,
                    Broken::Idle => &self.counters.timed_out,
                });
                if let Some(suppressed) = self.limits.broken.pass(clock::now()) {
                    debug!(%peer, error = %broken, suppressed, "connection reset");
                }
            }
        }
    }

    fn leave_unserved(&self, peer: PeerAddress, unreached: &Unreached) {
        count(&self.counters.unserved);
        if let Unreached::Short(_) = unreached {
            count(&self.counters.exhausted);
        }
        if let Some(suppressed) = self.limits.unserved.pass(clock::now()) {
            warn!(%peer, suppressed, "{unreached}");
        }
    }
}

/// The next client, once a slot is free.
async fn accept(
    listeners: &mut Listeners,
    room: &Arc<Semaphore>,
) -> io::Result<(Stream, PeerAddress, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (client, peer) = listeners.accept().await?;
    Ok((client, peer, permit))
}
