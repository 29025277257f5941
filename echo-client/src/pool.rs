//! A connection pool: [`Pool`], with a [`Connector`] that opens connections and an [`Exchange`]
//! for requests on one of them. Each connection serves one caller at a time.
//!
//! A connection is checked before it is reused: it is replaced if the server has closed it, if
//! it holds unsolicited bytes, and after its idle lifetime or maximum number of requests. It is
//! closed at once if its caller was cancelled during a request, since the late reply would
//! answer the wrong request.
//!
//! The wait for a connection is not part of a request's own time, so the pool measures it
//! ([`Metrics::wait`]); include it in any latency as seen by users.
//!
//! Requests are not retried: if a server closes a connection just as it is reused, the request
//! fails and the caller decides.
//!
//! ```
//! use std::time::Duration;
//! use echo_client::connection::ConnectionOptions;
//! use echo_client::pool::{Connector, Pool, PoolOptions};
//! use echo_proto::{HttpHost, ProtocolKind};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ConnectionOptions {
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

use echo_net::clock;
use echo_net::settings::TimeSpan;
use tokio::sync::oneshot;

use crate::error::ConnectError;

mod connector;
mod core;
mod counts;
mod exchange;
mod metrics;

pub use self::core::{Grant, PoolCore};
pub use connector::Connector;
pub use counts::{Cause, Discarded, PoolCounts};
pub use exchange::Exchange;
pub use metrics::Metrics;

/// Size and lifetimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Maximum number of connections; at least 1.
    pub max_size: usize,
    /// How long [`Pool::get`] waits for a connection to become free.
    pub wait_timeout: Duration,
    /// Maximum idle time of a reused connection; `None`: unlimited. Should be shorter than the
    /// server's idle timeout.
    pub idle_lifetime: Option<Duration>,
    /// Maximum number of requests per connection; `None`: unlimited.
    pub max_uses: Option<u64>,
}

impl Default for PoolOptions {
    /// 8 connections, 5 s wait timeout, 1 min idle lifetime, unlimited requests.
    fn default() -> Self {
        Self {
            max_size: 8,
            wait_timeout: Duration::from_secs(5),
            idle_lifetime: Some(Duration::from_mins(1)),
            max_uses: None,
        }
    }
}

/// Why a pool returned no connection.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// All connections are in use.
    #[error(
        "no connection available within {}: all {max_size} of the pool are in use (increase the \
         pool size or the wait timeout; neither makes a slow server faster)",
        TimeSpan(*waited)
    )]
    Exhausted {
        /// The maximum.
        max_size: usize,
        /// The wait timeout.
        waited: Duration,
    },
    /// Opening a connection failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// [`Pool::close`] was called.
    #[error("the pool is closed")]
    Closed,
}

/// See the [module](self). Clones share the connections.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<SharedPool>,
}

#[derive(Debug)]
struct SharedPool {
    connector: Connector,
    options: PoolOptions,
    state: Mutex<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    core: PoolCore<Exchange, oneshot::Sender<Turn>>,
    metrics: Metrics,
    closed: bool,
    /// Cancelled callers since the queue was last cleaned up.
    gave_up: usize,
}

/// What a waiting caller receives.
#[derive(Debug)]
enum Turn {
    Connection(Box<Pooled>),
    Place(Place),
}

impl Pool {
    /// An empty pool: connections are opened on demand.
    ///
    /// # Panics
    /// If `options` allow no connections.
    pub fn new(connector: Connector, options: PoolOptions) -> Self {
        let core = PoolCore::new(options);
        let metrics = Metrics::default();
        let state = Mutex::new(PoolState { core, metrics, closed: false, gave_up: 0 });
        Self { shared: Arc::new(SharedPool { connector, options, state }) }
    }

    /// Waits for a usable connection, for one caller; it returns to the pool when it is
    /// dropped.
    ///
    /// # Errors
    /// When all are in use until the timeout, and when opening a new one fails.
    pub async fn get(&self) -> Result<Pooled, PoolError> {
        let begin = Instant::now();
        let (sender, turn) = oneshot::channel();
        let grant = {
            let mut state = self.shared.lock();
            if state.closed {
                return Err(PoolError::Closed);
            }
            state.core.ask(sender, clock::now())
        };
        let got = match grant {
            Grant::Wait => match self.shared.wait(turn).await? {
                Turn::Connection(pooled) => self.checked(*pooled).await,
                Turn::Place(place) => place.connect().await,
            },
            grant => self.settled(grant).await,
        }?;
        self.shared.lock().metrics.waited(begin.elapsed());
        Ok(got)
    }

    /// Turns a grant into a connection.
    async fn settled(&self, grant: Grant<Exchange>) -> Result<Pooled, PoolError> {
        match grant {
            Grant::Reuse(exchange) => self.checked(self.shared.lend(exchange)).await,
            // The replaced connection is closed by dropping it.
            Grant::Replace(_) | Grant::Connect | Grant::Wait => {
                Place { shared: Some(Arc::clone(&self.shared)) }.connect().await
            }
        }
    }

    /// The connection, or another one if it is no longer usable.
    async fn checked(&self, mut pooled: Pooled) -> Result<Pooled, PoolError> {
        while let Some(cause) = pooled.look() {
            let stale = pooled.exchange.take();
            let grant = self.shared.lock().core.reject(cause, clock::now());
            drop(stale);
            match grant {
                Grant::Reuse(exchange) => pooled.exchange = Some(exchange),
                grant => return Box::pin(self.settled(grant)).await,
            }
        }
        self.shared.lock().core.accept();
        Ok(pooled)
    }

    /// The metrics so far.
    pub fn metrics(&self) -> Metrics {
        let state = self.shared.lock();
        Metrics { counts: state.core.counts(), ..state.metrics.clone() }
    }

    /// Connections that are open or being opened, in use or not.
    pub fn size(&self) -> usize {
        self.shared.lock().core.size()
    }

    /// Closes the pool and all idle connections.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let idle: Vec<_> = state.core.drain().collect();
        // Waiting callers notice the end of their channel.
        state.core.forget(|_| true);
        drop(state);
        drop(idle);
    }
}

impl SharedPool {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(self: &Arc<Self>, exchange: Exchange) -> Pooled {
        Pooled { exchange: Some(exchange), shared: Arc::clone(self) }
    }

    async fn wait(&self, turn: oneshot::Receiver<Turn>) -> Result<Turn, PoolError> {
        let PoolOptions { max_size, wait_timeout: waited, .. } = self.options;
        // Created before the wait, so that it is dropped after it, when the channel is closed.
        let mut waiting = Waiting { shared: self, served: false };
        if let Ok(turn) = tokio::time::timeout(waited, turn).await {
            waiting.served = true;
            return turn.map_err(|_| PoolError::Closed);
        }
        self.lock().core.count_wait_timeout();
        Err(PoolError::Exhausted { max_size, waited })
    }

    /// A connection is free.
    fn give_back(self: &Arc<Self>, mut exchange: Exchange) {
        loop {
            let cause = if !exchange.is_whole() {
                Some(Cause::Broken)
            } else if self.lock().core.is_used_up(exchange.uses()) {
                Some(Cause::Used)
            } else {
                None
            };
            if let Some(cause) = cause {
                // Closed first, then its slot is free for the next.
                drop(exchange);
                let next = self.lock().core.discard(cause);
                return self.pass_on(next);
            }
            let mut state = self.lock();
            if state.closed {
                let next = state.core.vacate();
                drop(state);
                return self.pass_on(next);
            }
            let Some((caller, connection)) = state.core.give_back(exchange, clock::now())
            else {
                return;
            };
            drop(state);
            // If the caller was cancelled, the connection goes to the next one.
            let Err(Turn::Connection(mut pooled)) =
                caller.send(Turn::Connection(Box::new(self.lend(connection))))
            else {
                return;
            };
            let Some(returned) = pooled.exchange.take() else { return };
            exchange = returned;
        }
    }

    /// Gives a slot to the longest waiting caller that was not cancelled.
    fn pass_on(self: &Arc<Self>, mut next: Option<oneshot::Sender<Turn>>) {
        while let Some(caller) = next {
            let place = Place { shared: Some(Arc::clone(self)) };
            let Err(Turn::Place(mut place)) = caller.send(Turn::Place(place)) else { return };
            // Not by dropping it: many cancelled callers would recurse deeply.
            place.shared = None;
            next = self.lock().core.vacate();
        }
    }
}

/// A queued caller, which is removed if the wait ends without a turn.
struct Waiting<'a> {
    shared: &'a SharedPool,
    served: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let PoolState { core, gave_up, .. } = &mut *self.shared.lock();
        *gave_up += 1;
        // Not each time: with many cancellations at once that would be quadratic.
        if *gave_up > core.waiting() / 2 {
            core.forget(oneshot::Sender::is_closed);
            *gave_up = 0;
        }
    }
}

/// The right to open one connection. Passed on when it is dropped.
#[derive(Debug)]
struct Place {
    /// Present until it is used.
    shared: Option<Arc<SharedPool>>,
}

impl Place {
    async fn connect(mut self) -> Result<Pooled, PoolError> {
        let Some(shared) = self.shared.clone() else { return Err(PoolError::Closed) };
        let made = shared.connector.open().await;
        self.shared = None;
        match made {
            Ok(exchange) => {
                let mut state = shared.lock();
                state.core.made();
                state.metrics.made(&exchange);
                drop(state);
                Ok(shared.lend(exchange))
            }
            Err(error) => {
                let next = shared.lock().core.not_made();
                shared.pass_on(next);
                Err(error.into())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let next = shared.lock().core.vacate();
            shared.pass_on(next);
        }
    }
}

/// A connection borrowed from a [`Pool`].
#[derive(Debug)]
pub struct Pooled {
    /// Present until it is dropped.
    exchange: Option<Exchange>,
    shared: Arc<SharedPool>,
}

const LOANED: &str = "the loan ends when it is dropped";

impl Pooled {
    /// Why the connection is unusable, if it is.
    fn look(&mut self) -> Option<Cause> {
        self.exchange.as_mut().and_then(Exchange::look)
    }
}

impl Deref for Pooled {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        self.exchange.as_ref().expect(LOANED)
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect(LOANED)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.shared.give_back(exchange);
        }
    }
}

#[cfg(test)]
mod tests;
