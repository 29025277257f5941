//! A layer-4 load balancer: [`Balancer`] accepts, selects a backend and copies bytes both ways
//! with independent half-close. An unreachable backend is skipped before the client notices.
//! Payload is not interpreted.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echo_net::address::Address;
use echo_net::clock;
use echo_net::reactor::ACCEPT_PAUSE;
use echo_net::socket::{SocketOptions, finish_connect, is_peers_fault};
use echo_net::stop::{Stage, Stop};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tracing::{debug, info, warn};

use crate::counted::counted;
use crate::log_limit::LogLimit;
use crate::model::tokio::accept::{Listeners, reached, stages};

mod backends;
mod copying;
mod lookup;
mod proxy_header;

pub use backends::Policy;
use backends::{Backends, InUse};
use copying::copy_both_ways;
pub use lookup::{BackendError, Lookup};
pub use proxy_header::ProxyProtocol;

/// For both sides: keepalive detects peers that have vanished.
const OPTIONS: SocketOptions = SocketOptions {
    nodelay: true,
    send_buffer: None,
    recv_buffer: None,
    keepalive: Some(Duration::from_mins(1)),
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
    /// Idle timeout of half-closed connections.
    pub half_close_timeout: Duration,
    /// Maximum duration of a graceful stop.
    pub drain_timeout: Duration,
}

/// Statistics of a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct BalanceSummary {
    /// Connections accepted by a backend.
    pub connections: u64,
    /// Connections without a reachable backend.
    pub unserved: u64,
    /// Connections open when the stop was forced.
    pub cut: u64,
}

impl fmt::Display for BalanceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, unserved, cut } = self;
        write!(f, "{}, {unserved} unserved, {cut} aborted", counted(*connections, "connection"))
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Balancer {
    config: BalanceConfig,
    /// Its own listen addresses.
    own: Vec<SocketAddr>,
    backends: Backends,
    connections: AtomicU64,
    unserved: AtomicU64,
    unserved_logged: LogLimit,
}

impl Balancer {
    /// A balancer that will listen on the addresses `own`. Resolves the backends, which may
    /// block.
    ///
    /// # Errors
    /// When a backend has no address, or is the balancer itself.
    pub fn new(config: BalanceConfig, own: Vec<SocketAddr>) -> Result<Arc<Self>, BackendError> {
        let find = |name: &Address| Ok((name.clone(), config.lookup.find(name, &own)?));
        let found = config.backends.iter().map(find).collect::<Result<_, BackendError>>()?;
        Ok(Arc::new(Self {
            backends: Backends::new(found, config.policy),
            config,
            own,
            connections: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
            unserved_logged: LogLimit::default(),
        }))
    }

    /// Runs on non-blocking listeners until `stop` is requested and all connections have ended,
    /// or until it is forced.
    ///
    /// # Errors
    /// When the listeners can't be used.
    pub async fn run(
        self: Arc<Self>,
        listeners: Vec<TcpListener>,
        stop: &Stop,
    ) -> io::Result<BalanceSummary> {
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
                    warn!(%error, "accepting failed; pausing for 100 ms");
                    tokio::time::sleep(Duration::from_nanos(ACCEPT_PAUSE)).await;
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
        Ok(BalanceSummary { cut: open.len() as u64, ..self.so_far() })
    }

    /// Statistics so far.
    pub fn so_far(&self) -> BalanceSummary {
        BalanceSummary {
            connections: self.connections.load(Ordering::Relaxed),
            unserved: self.unserved.load(Ordering::Relaxed),
            cut: 0,
        }
    }

    /// The health of each backend as text.
    pub fn backends(&self) -> impl Iterator<Item = String> {
        self.backends.numbers().map(|backend| {
            let (well, open) = self.backends.state(backend);
            let health = if well { "up" } else { "down" };
            let open = counted(open as u64, "connection");
            format!("{} is {health}, {open} open", self.backends.name(backend))
        })
    }

    async fn serve(&self, mut client: TcpStream, peer: SocketAddr) {
        let Some((mut backend, _in_use)) = self.reach_a_backend(&client, peer).await else {
            self.unserved.fetch_add(1, Ordering::Relaxed);
            if let Some(suppressed) = self.unserved_logged.pass(clock::now()) {
                warn!(%peer, suppressed, "no backend reachable");
            }
            return;
        };
        self.connections.fetch_add(1, Ordering::Relaxed);
        let patience = self.config.half_close_timeout;
        if let Err(error) = copy_both_ways(&mut client, &mut backend, patience).await {
            debug!(%peer, %error, "connection broke");
        }
    }

    /// Connects to the first backend, in the order of the policy, that accepts.
    async fn reach_a_backend(
        &self,
        client: &TcpStream,
        peer: SocketAddr,
    ) -> Option<(TcpStream, InUse)> {
        let own = client.local_addr().ok()?;
        OPTIONS.apply(client.as_fd()).ok()?;
        let header = self.config.proxy_protocol.map(|version| version.header(peer, own));
        for backend in self.backends.candidates() {
            let in_use = self.backends.in_use(backend);
            match self.dial(backend, header.as_deref().unwrap_or_default()).await {
                Some(stream) => return Some((stream, in_use)),
                None => self.checked(backend, false),
            }
        }
        None
    }

    /// Connects to the first address of a backend that accepts, and sends `header`.
    async fn dial(&self, backend: usize, header: &[u8]) -> Option<TcpStream> {
        for address in self.backends.addresses(backend) {
            match self.dial_address(address, header).await {
                Ok(stream) => {
                    self.backends.answered(backend, address);
                    return Some(stream);
                }
                Err(error) => {
                    let backend = self.backends.name(backend);
                    debug!(%backend, %address, %error, "backend address unreachable");
                }
            }
        }
        None
    }

    async fn dial_address(&self, address: SocketAddr, header: &[u8]) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect(address);
        let mut stream = timeout(self.config.connect_timeout, connecting).await??;
        finish_connect(stream.as_fd())?;
        OPTIONS.apply(stream.as_fd())?;
        stream.write_all(header).await?;
        Ok(stream)
    }

    fn checked(&self, backend: usize, reached: bool) {
        let name = self.backends.name(backend);
        match self.backends.checked(backend, reached) {
            Some(true) => info!(backend = %name, "backend is up"),
            Some(false) => warn!(backend = %name, "backend is down"),
            None => {}
        }
    }

    /// Resolves the name of a backend again. On failure it keeps its addresses.
    fn looked_up(&self, backend: usize, found: Result<Vec<SocketAddr>, BackendError>) {
        match found {
            Ok(found) => {
                let name = self.backends.name(backend);
                if self.backends.moved(backend, found) {
                    let addresses = self.backends.addresses(backend);
                    info!(backend = %name, ?addresses, "backend addresses changed");
                }
            }
            Err(error) => debug!(%error, "backend lookup failed"),
        }
    }
}

/// The next client, once a slot is free.
async fn accept(
    listeners: &mut Listeners,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (client, peer) = listeners.accept().await?;
    Ok((client, peer, permit))
}

/// Health checks of a backend, forever. While it is down its name is resolved again: its
/// address may have changed.
async fn check(balancer: Arc<Balancer>, backend: usize) {
    let header = balancer.config.proxy_protocol.map(ProxyProtocol::own_header);
    let mut due = tokio::time::interval(balancer.config.check_interval);
    // A slow check must not be followed by a burst.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At most one lookup at a time; checks continue meanwhile.
    let mut lookup = JoinSet::new();
    loop {
        tokio::select! {
            Some(found) = lookup.join_next() => {
                if let Ok(found) = found {
                    balancer.looked_up(backend, found);
                }
            }
            _ = due.tick() => {
                let dialed = balancer.dial(backend, header.as_deref().unwrap_or_default());
                let reached = dialed.await.is_some();
                balancer.checked(backend, reached);
                let name = balancer.backends.name(backend);
                if !reached && lookup.is_empty() && !name.is_literal() {
                    let (name, balancer) = (name.clone(), Arc::clone(&balancer));
                    lookup.spawn_blocking(move || {
                        balancer.config.lookup.find(&name, &balancer.own)
                    });
                }
            }
        }
    }
}
