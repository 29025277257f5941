//! Connections that many callers share, one at a time each: [`Pool`], over a [`Connector`]
//! that makes them and an [`Exchange`] that asks and is answered on one of them.
//!
//! A connection is looked at before it is given out again: one that the server has closed, that
//! holds bytes nobody asked for, that has idled or served long enough, is replaced. One whose
//! caller gave up in the middle of a request is closed at once, since the late reply would
//! answer the wrong request.
//!
//! A pool hides the wait for a connection from whoever times only the request. So it is timed
//! here ([`Metrics::wait`]), and belongs into every latency that a user would notice.
//!
//! No request is made twice: a server that closes a connection just as it is given out costs
//! that request, and the caller decides.
//!
//! ```
//! use std::time::Duration;
//! use echo_client::connection::Options;
//! use echo_client::pool::{Connector, Pool, PoolOptions};
//! use echo_proto::{HttpHost, ProtocolKind};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options {
//!     protocol: ProtocolKind::Line,
//!     typed: false,
//!     chat: false,
//!     max_message: 64 * 1024,
//!     http_host: HttpHost::default(),
//!     timeout: Duration::from_secs(5),
//! };
//! let connector = Connector::new("127.0.0.1:7000".parse()?, options);
//! let pool = Pool::new(connector, PoolOptions { max_size: 4, ..PoolOptions::default() });
//! let mut reply = Vec::new();
//! pool.get().await?.request(b"hello", &mut reply).await?;
//! assert_eq!(reply, b"hello");
//! # Ok(())
//! # }
//! ```

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, RecycleError, RecycleResult, TimeoutType};
use echo_net::settings::TimeSpan;

use crate::error::ConnectError;

mod connector;
mod exchange;
mod metrics;

pub use connector::{Connector, Turns};
pub use exchange::{Exchange, Staleness};
pub use metrics::{Discarded, Metrics};

/// How many connections, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Most connections at one time; at least 1.
    pub max_size: usize,
    /// How long [`Pool::get`] waits for a connection to become free.
    pub wait_timeout: Duration,
    /// A connection that nobody has used for so long is not given out again; `None`: however
    /// long. To be shorter than the server's own patience.
    pub idle_lifetime: Option<Duration>,
    /// Requests after which a connection is not given out again; `None`: any number.
    pub max_uses: Option<u64>,
}

impl Default for PoolOptions {
    /// 8 connections, a wait of 5 s, a minute idle, any number of requests.
    fn default() -> Self {
        Self {
            max_size: 8,
            wait_timeout: Duration::from_secs(5),
            idle_lifetime: Some(Duration::from_mins(1)),
            max_uses: None,
        }
    }
}

/// Why a pool gave no connection.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// All are in use.
    #[error(
        "no connection became free within {}: all {max_size} of the pool are in use (a larger \
         pool or a longer wait helps, a slow server is not made faster by either)",
        TimeSpan(*waited)
    )]
    Exhausted {
        /// The limit.
        max_size: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// A new one can't be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// [`Pool::close`] was called.
    #[error("the pool is closed")]
    Closed,
}

/// See the [module](self). Clones share the connections.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: managed::Pool<Manager>,
    options: PoolOptions,
    metrics: Shared,
}

impl Pool {
    /// An empty pool: connections are made when they are asked for.
    ///
    /// # Panics
    /// If `options` allow no connection at all.
    pub fn new(connector: Connector, options: PoolOptions) -> Self {
        assert!(options.max_size > 0, "a pool holds at least one connection");
        let metrics = Shared::default();
        let manager = Manager { connector, options, metrics: metrics.clone() };
        let connections = managed::Pool::builder(manager)
            .max_size(options.max_size)
            .wait_timeout(Some(options.wait_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime can have timeouts");
        Self { connections, options, metrics }
    }

    /// A connection that works as far as can be told, for one caller; it comes back to the
    /// pool when it is dropped.
    ///
    /// # Errors
    /// When all are in use for too long, and when a new one can't be made.
    pub async fn get(&self) -> Result<Pooled, PoolError> {
        let begin = Instant::now();
        let given = self.connections.get().await;
        let mut metrics = self.metrics.lock();
        match given {
            Ok(connection) => {
                metrics.waited(begin.elapsed());
                let metrics = self.metrics.clone();
                Ok(Pooled { connection: Some(connection), metrics })
            }
            Err(managed::PoolError::Backend(error)) => Err(error.into()),
            Err(managed::PoolError::Timeout(TimeoutType::Wait)) => {
                metrics.wait_timeouts += 1;
                let PoolOptions { max_size, wait_timeout: waited, .. } = self.options;
                Err(PoolError::Exhausted { max_size, waited })
            }
            // Neither other timeouts nor hooks are asked for.
            Err(_) => Err(PoolError::Closed),
        }
    }

    /// What happened so far.
    pub fn metrics(&self) -> Metrics {
        self.metrics.lock().clone()
    }

    /// Connections that are open now, in use or not.
    pub fn size(&self) -> usize {
        self.connections.status().size
    }

    /// Gives out no more connections, and closes those that nobody uses.
    pub fn close(&self) {
        self.connections.close();
    }
}

/// A connection on loan from a [`Pool`].
#[derive(Debug)]
pub struct Pooled {
    /// There until it is dropped.
    connection: Option<managed::Object<Manager>>,
    metrics: Shared,
}

const LOANED: &str = "the loan ends when it is dropped";

impl Deref for Pooled {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        self.connection.as_deref().expect(LOANED)
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Exchange {
        self.connection.as_deref_mut().expect(LOANED)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !connection.is_whole()
        {
            self.metrics.lock().discarded.broken += 1;
            drop(managed::Object::take(connection));
        }
    }
}

/// What the pool and its loans count.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Metrics>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Metrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes connections for the pool, and looks at them before they are used again.
#[derive(Debug)]
struct Manager {
    connector: Connector,
    options: PoolOptions,
    metrics: Shared,
}

impl Manager {
    /// Why a connection is not to be used again, if it is not.
    fn look_at(&self, exchange: &mut Exchange) -> Result<(), fn(&mut Discarded) -> &mut u64> {
        let PoolOptions { idle_lifetime, max_uses, .. } = self.options;
        if max_uses.is_some_and(|most| exchange.uses() >= most) {
            return Err(|discarded| &mut discarded.used);
        }
        if idle_lifetime.is_some_and(|most| exchange.idle_for() >= most) {
            return Err(|discarded| &mut discarded.idle);
        }
        match exchange.look() {
            None => Ok(()),
            Some(Staleness::Closed) => Err(|discarded| &mut discarded.closed),
            Some(Staleness::Unsolicited) => Err(|discarded| &mut discarded.unsolicited),
        }
    }
}

impl managed::Manager for Manager {
    type Type = Exchange;
    type Error = ConnectError;

    async fn create(&self) -> Result<Exchange, ConnectError> {
        let made = self.connector.open().await;
        let mut metrics = self.metrics.lock();
        match &made {
            Ok(exchange) => metrics.made(exchange),
            Err(_) => metrics.connect_failures += 1,
        }
        made
    }

    async fn recycle(
        &self,
        exchange: &mut Exchange,
        _: &managed::Metrics,
    ) -> RecycleResult<ConnectError> {
        let seen = self.look_at(exchange);
        let mut metrics = self.metrics.lock();
        match seen {
            Ok(()) => {
                metrics.reused += 1;
                Ok(())
            }
            Err(cause) => {
                *cause(&mut metrics.discarded) += 1;
                Err(RecycleError::message("of no more use"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
