//! How connections share threads: [`ModelKind`] names the concurrency models, [`Model`] is
//! what they have in common. One file or folder each; a new model is one more file, one variant and
//! one arm of the match below. A model is only a way to wait, and to share connections between
//! threads; what happens to a connection is the driver's business, what the bytes mean and when
//! it ends the session's, and who may come in that of admission.

use std::io;
use std::net::TcpListener;
use std::thread::ScopedJoinHandle;

use crate::config::Config;
use crate::context::Context;
use crate::counted::counted;

mod acceptor;
mod epoll;
mod event_loop;
mod mail_list;
mod pool;
mod threads;
pub(crate) mod tokio;
mod uring;

/// The concurrency models, as they are named in flags and reports.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ModelKind {
    /// One blocking thread per connection.
    Threads,
    /// Worker threads that take ready connections from one shared epoll.
    Pool,
    /// One event loop per worker, each with connections of its own.
    Epoll,
    /// The same on `io_uring`, where the kernel accepts and receives by itself.
    Uring,
    /// One task per connection on tokio's work-stealing runtime.
    #[default]
    Tokio,
    /// One task per connection, on a single-threaded tokio runtime per worker.
    TokioLocal,
}

impl ModelKind {
    /// The model itself.
    pub fn build(self) -> Box<dyn Model> {
        match self {
            Self::Threads => Box::new(threads::Threads),
            Self::Pool => Box::new(pool::Pool),
            Self::Epoll => Box::new(epoll::Epoll),
            Self::Uring => Box::new(uring::Uring),
            Self::Tokio => Box::new(tokio::Tokio),
            Self::TokioLocal => Box::new(tokio::local::TokioLocal),
        }
    }

    /// Whether the number of workers is a setting; a thread per connection has none.
    pub fn has_workers(self) -> bool {
        self != Self::Threads
    }

    /// Whether each worker can accept on a listener of its own.
    pub fn shares_listeners(self) -> bool {
        matches!(self, Self::Epoll | Self::Uring | Self::Tokio | Self::TokioLocal)
    }

    /// Whether its workers wait in a loop of ours, which can look again and again rather
    /// than sleep.
    pub fn can_busy_poll(self) -> bool {
        matches!(self, Self::Epoll | Self::Uring)
    }

    /// Whether this machine has what the model needs.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(self) -> io::Result<()> {
        self.build().check()
    }
}

/// A limit of the machine on how many connections a model can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Most connections.
    pub connections: u64,
    /// What sets the limit.
    pub bound_by: String,
}

/// One way to serve connections.
pub trait Model {
    /// Whether this machine has what the model needs.
    ///
    /// # Errors
    /// What is missing.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// What limits this model beyond descriptors; `None`: nothing.
    fn capacity(&self) -> Option<Capacity> {
        None
    }

    /// Descriptors that one connection needs.
    fn descriptors(&self, config: &Config) -> u64 {
        let _ = config;
        1
    }

    /// Serves until the context's stop is asked for and all connections have ended, or
    /// until it is forced. The listeners are those that [`run`](crate::run) was given.
    ///
    /// # Errors
    /// When serving is impossible; what goes wrong with one connection ends only that.
    fn serve(&self, listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()>;
}

/// Each group of listeners is one worker's.
fn check_listeners(listeners: &[Vec<TcpListener>], workers: usize) -> io::Result<()> {
    if listeners.len() > workers {
        let (groups, workers) = (listeners.len() as u64, workers as u64);
        let reason = format!(
            "{} of listeners for {}",
            counted(groups, "group"),
            counted(workers, "worker"),
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(())
}

/// Waits for all threads; the first failure, if any, is theirs together.
fn join_all(threads: Vec<io::Result<ScopedJoinHandle<'_, io::Result<()>>>>) -> io::Result<()> {
    let mut outcome = Ok(());
    for thread in threads {
        let result = thread.and_then(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        outcome = outcome.and(result);
    }
    outcome
}
