//! Concurrency models: `Model` is their common interface, `build` constructs the one that
//! [`ModelKind`] names. One file or folder each; a new model is one more file, one variant and
//! one arm of the match below. A model only waits and distributes connections over threads; the
//! driver handles events of a connection, the session decides when it ends, and admission
//! enforces the limit.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use echo_net::listener::Listener;

use crate::capacity::Capacity;
use crate::config::Config;
use crate::context::Context;
use crate::counted::counted;
pub use crate::model_kind::ModelKind;
use crate::thread_budget::cannot_start_worker;
use crate::tuning::Accept;
pub(crate) use prefork::{Supervisor, WorkerLost};

mod acceptor;
#[cfg(feature = "compio")]
mod compio;
mod epoll;
mod event_loop;
mod mail_list;
mod poll;
mod pool;
mod prefork;
#[cfg(feature = "simulation")]
pub mod simulated;
#[cfg(test)]
mod tests;
mod threads;
pub(crate) mod tokio;
mod uring;

/// Checks that this machine supports the model.
///
/// # Errors
/// What is missing.
pub fn check(kind: ModelKind) -> io::Result<()> {
    build(kind).check()
}

/// The model with this name.
pub(crate) fn build(kind: ModelKind) -> Box<dyn Model> {
    match kind {
        ModelKind::Threads => Box::new(threads::Threads),
        ModelKind::Pool => Box::new(pool::PoolModel),
        ModelKind::Epoll => Box::new(epoll::Epoll),
        ModelKind::Poll => Box::new(poll::Poll),
        ModelKind::Prefork => Box::new(prefork::Prefork),
        ModelKind::Uring => Box::new(uring::Uring),
        ModelKind::Tokio => Box::new(tokio::Tokio),
        ModelKind::TokioLocal => Box::new(tokio::local::TokioLocal),
        #[cfg(feature = "compio")]
        ModelKind::Compio => Box::new(compio::Compio),
    }
}

/// A way to serve connections.
pub(crate) trait Model: Send {
    /// Checks that this machine supports the model.
    ///
    /// # Errors
    /// What is missing.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// The limit of this model beyond descriptors; `None`: none.
    fn capacity(&self) -> Option<Capacity> {
        None
    }

    /// Descriptors per connection.
    fn descriptors(&self, config: &Config) -> u64 {
        let _ = config;
        1
    }

    /// Serves until a stop is requested and all connections have ended, or until it is forced.
    /// The listeners are those passed to [`run`](crate::run).
    ///
    /// # Errors
    /// When serving is impossible; errors of a connection end only that connection.
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()>;
}

/// One group of listeners per worker.
fn check_listeners(listeners: &[Vec<Listener>], workers: usize) -> io::Result<()> {
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

/// The listeners of each worker that accepts: those that were passed, or, where all workers wait
/// for the same ones, a descriptor of them for each.
///
/// # Errors
/// When no descriptor is left, or there are more groups than workers.
fn listeners_of_workers(
    listeners: Vec<Vec<Listener>>,
    config: &Config,
) -> io::Result<Vec<Vec<Listener>>> {
    check_listeners(&listeners, config.workers)?;
    match (&listeners[..], config.tuning.accept) {
        ([group], Accept::Shared | Accept::Exclusive) => {
            let clone = |_| group.iter().map(Listener::try_clone).collect();
            (0..config.workers).map(clone).collect()
        }
        _ => Ok(listeners),
    }
}

/// A worker's thread, if it could be started.
type Worker<'scope> = io::Result<ScopedJoinHandle<'scope, io::Result<()>>>;

/// Starts worker `number` on a thread of its own; if that is impossible, the stop is forced.
fn start_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    number: usize,
    context: &'scope Context,
    work: impl FnOnce() -> io::Result<()> + Send + 'scope,
) -> Worker<'scope> {
    let thread = Builder::new().name(format!("worker-{number}"));
    let started = thread.spawn_scoped(scope, move || context.supervise(work));
    context.force_on_error(
        started.map_err(|reason| cannot_start_worker(number, context.config.workers, &reason)),
    )
}

/// Joins all workers and returns their first error.
fn join_all(workers: Vec<Worker<'_>>) -> io::Result<()> {
    let mut outcome = Ok(());
    for worker in workers {
        let result = worker.and_then(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        outcome = outcome.and(result);
    }
    outcome
}
