//! Where callers get connections: [`Source`], and why they did not get one.

use std::cell::Cell;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use echo_client::ConnectError;
use echo_client::connection::Options;
use echo_client::link::Tls;
use echo_client::pool::{Connector, Exchange, Pool, PoolError, PoolOptions, Pooled, Turns};
use echo_net::destinations::Destinations;
use echo_net::socket::{self, SocketOptions};
use echo_net::tcp_info;
use echo_net::tls::Fault;
use tokio::task::JoinSet;

use super::PoolFacts;
use crate::engine::loss::kind_of_unmade;
use crate::engine::{KernelFacts, Peer};
use crate::plan::{Plan, PoolPlan};
use crate::record::FailureKind;

/// Makes a connection for every request, or shares them.
pub(super) struct Source {
    supply: Supply,
    turns: Turns,
    /// When the load began: what is younger was made in it.
    begun: Cell<Instant>,
}

enum Supply {
    Fresh(Connector, Cell<PoolFacts>),
    Pool(Pool),
}

/// A connection for one request.
pub(super) enum Loan {
    Fresh(Exchange),
    Pooled(Pooled),
}

impl Deref for Loan {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        match self {
            Self::Fresh(exchange) => exchange,
            Self::Pooled(pooled) => pooled,
        }
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Exchange {
        match self {
            Self::Fresh(exchange) => exchange,
            Self::Pooled(pooled) => pooled,
        }
    }
}

impl Source {
    pub(super) fn new(plan: &Plan, pool: PoolPlan, peer: &Peer) -> Self {
        let timeout = Duration::from_nanos(plan.timeout_ns);
        let options = Options {
            protocol: plan.protocol,
            typed: false,
            chat: false,
            max_message: plan.longest_reply(),
            http_host: plan.http_host.clone().unwrap_or_default(),
            timeout,
        };
        // In numbers, so that no name is looked up within the load.
        let turns = Turns::new(Destinations::new(&peer.addresses, &[]));
        let connector = Connector {
            tls: peer.tls.as_ref().map(|tls| Tls {
                client: tls.client().clone(),
                server_name: Some(tls.name().to_owned()),
            }),
            connect_timeout: timeout,
            socket: SocketOptions {
                nodelay: plan.socket.nodelay,
                send_buffer: plan.socket.send_buffer,
                recv_buffer: plan.socket.recv_buffer,
                keepalive: None,
            },
            turns: Some(turns.clone()),
            ..Connector::new(peer.addresses[0].into(), options)
        };
        let supply = match pool.size as usize {
            0 => Supply::Fresh(connector, Cell::default()),
            max_size => Supply::Pool(Pool::new(
                connector,
                PoolOptions {
                    max_size,
                    wait_timeout: timeout,
                    idle_lifetime: None,
                    max_uses: None,
                },
            )),
        };
        Self { supply, turns, begun: Cell::new(Instant::now()) }
    }

    /// What came of connecting to the addresses of the server.
    pub(super) fn destinations(&self) -> Destinations {
        self.turns.so_far()
    }

    /// The load begins.
    pub(super) fn begin(&self) {
        self.begun.set(Instant::now());
    }

    /// Whether a connection was made in the load, and was not used yet.
    pub(super) fn is_new(&self, exchange: &Exchange) -> bool {
        exchange.uses() == 0 && exchange.idle_for() < self.begun.get().elapsed()
    }

    /// A connection.
    pub(super) async fn acquire(&self) -> Result<Loan, PoolError> {
        match &self.supply {
            Supply::Pool(pool) => pool.get().await.map(Loan::Pooled),
            Supply::Fresh(connector, facts) => {
                let made = connector.open().await;
                let mut counted = facts.get();
                match &made {
                    Ok(_) => counted.created += 1,
                    Err(_) => counted.connect_failures += 1,
                }
                facts.set(counted);
                made.map(Loan::Fresh).map_err(Into::into)
            }
        }
    }

    /// A connection is not needed any more.
    pub(super) fn release(&self, loan: Loan) {
        if let Supply::Fresh(_, facts) = &self.supply {
            let mut counted = facts.get();
            counted.discarded.used += u64::from(loan.is_whole());
            counted.discarded.broken += u64::from(!loan.is_whole());
            facts.set(counted);
        }
        drop(loan);
    }

    /// So many connections at one time.
    pub(super) async fn some(&self, number: u32) -> Vec<Result<Loan, PoolError>> {
        let mut making = JoinSet::new();
        match &self.supply {
            Supply::Fresh(..) => return vec![self.acquire().await],
            Supply::Pool(pool) => {
                for _ in 0..number {
                    let pool = pool.clone();
                    making.spawn(async move { pool.get().await.map(Loan::Pooled) });
                }
            }
        }
        making.join_all().await
    }

    /// What became of the connections.
    pub(super) fn facts(&self) -> PoolFacts {
        match &self.supply {
            Supply::Fresh(_, facts) => facts.get(),
            Supply::Pool(pool) => {
                let metrics = pool.metrics();
                PoolFacts {
                    created: metrics.created,
                    reused: metrics.reused,
                    discarded: metrics.discarded,
                    connect_failures: metrics.connect_failures,
                    wait_timeouts: metrics.wait_timeouts,
                }
            }
        }
    }

    /// What the kernel knows of the connections that are open, and their number.
    pub(super) async fn kernel(&self) -> (KernelFacts, u32) {
        let mut facts = KernelFacts::default();
        let Supply::Pool(pool) = &self.supply else { return (facts, 0) };
        let mut open = Vec::new();
        for _ in 0..pool.size() {
            // Those that are gone by now are not made again for this.
            let Ok(loan) = pool.get().await else { break };
            if loan.uses() > 0 || !self.is_new(&loan) {
                let socket = loan.socket().as_fd();
                facts.add(tcp_info::read(socket).ok(), socket::buffer_sizes(socket).ok());
                open.push(loan);
            }
        }
        let alive = u32::try_from(open.len()).unwrap_or(u32::MAX);
        (facts, alive)
    }
}

/// Under which kind a connection that was not to be had is counted.
pub(super) fn kind_of(error: &PoolError) -> FailureKind {
    let ConnectError::NoneAnswered { attempts, .. } = (match error {
        PoolError::Exhausted { .. } | PoolError::Closed => return FailureKind::Unsent,
        PoolError::Connect(error) => error,
    }) else {
        return match error {
            PoolError::Connect(ConnectError::Tls { fault, .. })
                if fault.is_about_certificate() =>
            {
                FailureKind::TlsCertificate
            }
            PoolError::Connect(
                ConnectError::Tls { .. }
                | ConnectError::TlsTimeout { .. }
                | ConnectError::TlsBroken { .. },
            ) => FailureKind::TlsHandshake,
            _ => FailureKind::Refused,
        };
    };
    match attempts.first().map(|attempt| &attempt.failure) {
        Some(None) => FailureKind::ConnectTimeout,
        Some(Some(error)) => kind_of_unmade(error),
        _ => FailureKind::Refused,
    }
}

/// The reason alone, as the engine tells it for every kind of run.
pub(super) fn io_error(error: PoolError) -> io::Error {
    match error {
        PoolError::Connect(ConnectError::NoneAnswered { mut attempts, .. })
            if !attempts.is_empty() =>
        {
            let none = || io::Error::new(io::ErrorKind::TimedOut, "no answer (see --timeout)");
            attempts.swap_remove(0).failure.unwrap_or_else(none)
        }
        PoolError::Connect(ConnectError::Tls { fault, .. }) => io::Error::other(fault),
        PoolError::Connect(ConnectError::TlsTimeout { .. }) => {
            io::Error::other(Fault::Unfinished)
        }
        error => io::Error::other(error),
    }
}
