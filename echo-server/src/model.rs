//! How connections share threads: [`Model`] is what the concurrency models have in common,
//! [`build`] makes the one that [`ModelKind`] names. One file or folder each; a new model is one
//! more file, one variant and one arm of the match below. A model is only a way to wait, and to
//! share connections between threads; what happens to a connection is the driver's business,
//! what the bytes mean and when it ends the session's, and who may come in that of admission.

use std::io;
use std::net::TcpListener;
use std::thread::ScopedJoinHandle;

pub use crate::capacity::Capacity;
use crate::config::Config;
use crate::context::Context;
use crate::counted::counted;
pub use crate::model_kind::ModelKind;

mod acceptor;
mod epoll;
mod event_loop;
mod mail_list;
mod pool;
mod threads;
pub(crate) mod tokio;
mod uring;

/// The model of this name.
pub fn build(kind: ModelKind) -> Box<dyn Model> {
    match kind {
        ModelKind::Threads => Box::new(threads::Threads),
        ModelKind::Pool => Box::new(pool::PoolModel),
        ModelKind::Epoll => Box::new(epoll::Epoll),
        ModelKind::Uring => Box::new(uring::Uring),
        ModelKind::Tokio => Box::new(tokio::Tokio),
        ModelKind::TokioLocal => Box::new(tokio::local::TokioLocal),
    }
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
