//! Starting tokio's work-stealing runtime with all its threads, or an error: [`launch`]. The
//! runtime itself panics when its first thread can't be started, and goes on without the others.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::thread_budget::{cannot_start_worker, try_start};

/// How long the threads may take to start; on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runtime with so many worker threads, which all run, and whatever else `configure` sets. Each
/// has called `starts` with its number, from 0.
///
/// # Errors
/// When they can't all be started.
pub(crate) fn launch(
    workers: usize,
    configure: impl FnOnce(&mut Builder),
    starts: impl Fn(usize) + Send + Sync + 'static,
) -> io::Result<Runtime> {
    try_start(workers)
        .map_err(|(number, reason)| cannot_start_worker(number, workers, &reason))?;
    let started = Arc::new(Started::default());
    let count = Arc::clone(&started);
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .thread_name("worker")
        .on_thread_start(move || starts(count.add()))
        .enable_all();
    configure(&mut builder);
    // Others may have taken the threads that were free a moment ago.
    let runtime = catch_unwind(AssertUnwindSafe(|| builder.build()))
        .unwrap_or_else(|_| Err(io::ErrorKind::WouldBlock.into()))
        .map_err(|reason| cannot_start_worker(started.count(), workers, &reason))?;
    if started.wait_for(workers) {
        Ok(runtime)
    } else {
        runtime.shutdown_background();
        let reason = io::ErrorKind::WouldBlock.into();
        Err(cannot_start_worker(started.count(), workers, &reason))
    }
}

/// Counts threads that have started.
#[derive(Default)]
struct Started {
    count: Mutex<usize>,
    more: Condvar,
}

impl Started {
    /// One more; returns its number, from 0.
    fn add(&self) -> usize {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        self.more.notify_all();
        *count - 1
    }

    fn count(&self) -> usize {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many have started; whether they have.
    fn wait_for(&self, all: usize) -> bool {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(count, PATIENCE, |count| *count < all);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= all
    }
}
