//! A layer-4 load balancer: [`Balancer`] accepts, picks a backend and copies bytes both ways,
//! each direction's end passed on by itself. A backend that can't be reached is skipped
//! before the client sees anything. It understands none of the bytes.

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

/// Of both sides: who vanished without a word is found out.
const OPTIONS: SocketOptions = SocketOptions {
    nodelay: true,
    send_buffer: None,
    recv_buffer: None,
    keepalive: Some(Duration::from_mins(1)),
};

/// What a balancer does.
#[derive(Debug, Clone)]
pub struct BalanceConfig {
    /// Whom it balances between; at least one. Of a backend with several addresses, all are
    /// tried, and they are looked up again while it is down.
    pub backends: Vec<Address>,
    /// Finds the addresses of the backends.
    pub lookup: Lookup,
    /// How one is picked.
    pub policy: Policy,
    /// Whether backends are told who the client is.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Most connections at a time; more wait in the backlog.
    pub max_conns: usize,
    /// Time between two checks of a backend.
    pub check_interval: Duration,
    /// How long an attempt to reach an address of a backend may take.
    pub connect_timeout: Duration,
    /// How long nothing may move on a connection of which one side has ended.
    pub half_close_timeout: Duration,
    /// How long a stop waits for connections to end.
    pub drain_timeout: Duration,
}

/// What a balancer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct BalanceSummary {
    /// Connections that a backend took.
    pub connections: u64,
    /// Connections that no backend could be reached for.
    pub unserved: u64,
    /// Connections that were open when the stop was forced.
    pub cut: u64,
}

impl fmt::Display for BalanceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, unserved, cut } = self;
        write!(f, "{}, {unserved} unserved, {cut} cut", counted(*connections, "connection"))
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Balancer {
    config: BalanceConfig,
    /// Where it listens.
    own: Vec<SocketAddr>,
    backends: Backends,
    connections: AtomicU64,
    unserved: AtomicU64,
    unserved_logged: LogLimit,
}

impl Balancer {
    /// A balancer that is to listen on the addresses `own`. Looks the backends up, which may
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

    /// Balances on non-blocking listeners until `stop` is asked for and all connections have
    /// ended, or until it is forced.
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

    /// What was done so far.
    pub fn so_far(&self) -> BalanceSummary {
        BalanceSummary {
            connections: self.connections.load(Ordering::Relaxed),
            unserved: self.unserved.load(Ordering::Relaxed),
            cut: 0,
        }
    }

    /// How each backend does, in words.
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
                warn!(%peer, suppressed, "no backend can be reached");
            }
            return;
        };
        self.connections.fetch_add(1, Ordering::Relaxed);
        let patience = self.config.half_close_timeout;
        if let Err(error) = copy_both_ways(&mut client, &mut backend, patience).await {
            debug!(%peer, %error, "connection broke");
        }
    }

    /// The first of the backends, in the order of the policy, that takes a connection.
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

    /// A connection to the first of a backend's addresses that takes one, with `header` sent.
    async fn dial(&self, backend: usize, header: &[u8]) -> Option<TcpStream> {
        for address in self.backends.addresses(backend) {
            match self.dial_address(address, header).await {
                Ok(stream) => {
                    self.backends.answered(backend, address);
                    return Some(stream);
                }
                Err(error) => {
                    let backend = self.backends.name(backend);
                    debug!(%backend, %address, %error, "not reached");
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
            Some(true) => info!(backend = %name, "backend is back"),
            Some(false) => warn!(backend = %name, "backend is out"),
            None => {}
        }
    }

    /// Takes over what a name stands for now. One that can't be looked up keeps its addresses.
    fn looked_up(&self, backend: usize, found: Result<Vec<SocketAddr>, BackendError>) {
        match found {
            Ok(found) => {
                let name = self.backends.name(backend);
                if self.backends.moved(backend, found) {
                    let addresses = self.backends.addresses(backend);
                    info!(backend = %name, ?addresses, "backend has other addresses now");
                }
            }
            Err(error) => debug!(%error, "no other addresses"),
        }
    }
}

/// The next client, once there is room for it.
async fn accept(
    listeners: &mut Listeners,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (client, peer) = listeners.accept().await?;
    Ok((client, peer, permit))
}

/// Checks a backend now and then, for ever. While it is down its name is looked up again: it
/// may have moved.
async fn check(balancer: Arc<Balancer>, backend: usize) {
    let header = balancer.config.proxy_protocol.map(ProxyProtocol::own_header);
    let mut due = tokio::time::interval(balancer.config.check_interval);
    // A check that took long is no reason for several at once.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At most one at a time; checks go on meanwhile.
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
