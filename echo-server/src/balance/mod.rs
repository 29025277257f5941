//! A layer-4 load balancer: [`run`] accepts, picks a backend and copies bytes both ways,
//! each direction's end passed on by itself. A backend that can't be reached is skipped
//! before the client sees anything. It understands none of the bytes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echo_net::reactor::ACCEPT_PAUSE;
use echo_net::socket::{SocketOptions, is_peers_fault};
use echo_net::stop::{Stage, Stop};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::model::tokio_accept::{reached, stages};

mod backends;
pub mod cli;
mod copying;
mod proxy_header;

pub use backends::Policy;
use backends::{Backends, InUse};
use copying::copy_both_ways;
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
pub struct Config {
    /// Whom it balances between; at least one.
    pub backends: Vec<SocketAddr>,
    /// How one is picked.
    pub policy: Policy,
    /// Whether backends are told who the client is.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Most connections at a time; more wait in the backlog.
    pub max_conns: usize,
    /// Time between two checks of a backend.
    pub check_interval: Duration,
    /// How long an attempt to reach a backend may take.
    pub connect_timeout: Duration,
    /// How long nothing may move on a connection of which one side has ended.
    pub half_close_timeout: Duration,
    /// How long a stop waits for connections to end.
    pub drain_timeout: Duration,
}

/// What a balancer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Outcome {
    /// Connections that a backend took.
    pub connections: u64,
    /// Connections that no backend could be reached for.
    pub unserved: u64,
    /// Connections that were open when the stop was forced.
    pub cut: u64,
}

#[derive(Debug)]
struct Balancer {
    config: Config,
    backends: Arc<Backends>,
    connections: AtomicU64,
    unserved: AtomicU64,
}

/// Balances on a non-blocking listener until `stop` is asked for and all connections have
/// ended, or until it is forced.
///
/// # Errors
/// When the listener can't be used.
pub async fn run(listener: TcpListener, config: Config, stop: &Stop) -> io::Result<Outcome> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let backends = Arc::new(Backends::new(&config.backends, config.policy));
    let room = Arc::new(Semaphore::new(config.max_conns));
    let balancer = Arc::new(Balancer {
        config,
        backends,
        connections: AtomicU64::new(0),
        unserved: AtomicU64::new(0),
    });
    let mut checks = JoinSet::new();
    for backend in 0..balancer.config.backends.len() {
        checks.spawn(check(Arc::clone(&balancer), backend));
    }
    let mut open = JoinSet::new();
    let draining = reached(stages(stop), Stage::Draining);
    tokio::pin!(draining);
    loop {
        let accepted = tokio::select! {
            () = &mut draining => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((client, peer, permit)) => {
                let balancer = Arc::clone(&balancer);
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
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    let forced = reached(stages(stop), Stage::Forced);
    tokio::select! {
        _ = timeout(balancer.config.drain_timeout, ended) => {}
        () = forced => {}
    }
    Ok(Outcome {
        connections: balancer.connections.load(Ordering::Relaxed),
        unserved: balancer.unserved.load(Ordering::Relaxed),
        cut: open.len() as u64,
    })
}

/// The next client, once there is room for it.
async fn accept(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (client, peer) = listener.accept().await?;
    Ok((client, peer, permit))
}

impl Balancer {
    async fn serve(&self, mut client: TcpStream, peer: SocketAddr) {
        let Some((mut backend, _in_use)) = self.reach_a_backend(&client, peer).await else {
            self.unserved.fetch_add(1, Ordering::Relaxed);
            warn!(%peer, "no backend can be reached");
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
        for backend in self.backends.candidates() {
            let in_use = self.backends.in_use(backend);
            match self.dial(backend, peer, own).await {
                Ok(stream) => return Some((stream, in_use)),
                Err(error) => {
                    debug!(backend = %self.backends.address(backend), %error, "not reached");
                    self.checked(backend, false);
                }
            }
        }
        None
    }

    async fn dial(
        &self,
        backend: usize,
        peer: SocketAddr,
        own: SocketAddr,
    ) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect(self.backends.address(backend));
        let mut stream = timeout(self.config.connect_timeout, connecting).await??;
        OPTIONS.apply(stream.as_fd())?;
        if let Some(version) = self.config.proxy_protocol {
            stream.write_all(&version.header(peer, own)).await?;
        }
        Ok(stream)
    }

    fn checked(&self, backend: usize, reached: bool) {
        let address = self.backends.address(backend);
        match self.backends.checked(backend, reached) {
            Some(true) => info!(%address, "backend is back"),
            Some(false) => warn!(%address, "backend is out"),
            None => {}
        }
    }
}

/// Checks a backend now and then, for ever.
async fn check(balancer: Arc<Balancer>, backend: usize) {
    let mut due = tokio::time::interval(balancer.config.check_interval);
    loop {
        due.tick().await;
        let connecting = TcpStream::connect(balancer.backends.address(backend));
        let reached = timeout(balancer.config.connect_timeout, connecting).await;
        balancer.checked(backend, matches!(reached, Ok(Ok(_))));
    }
}
