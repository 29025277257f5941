//! Wakes acceptors that wait for a free descriptor: [`AcceptWakeups`]. An acceptor that failed
//! waits; the next connection that ends wakes it. Without a failure it costs an atomic read per
//! connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Waker = Box<dyn Fn() + Send + Sync>;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct AcceptWakeups {
    /// An acceptor waits.
    waiting: AtomicBool,
    /// Wakeups so far; tells an acceptor why it was woken.
    count: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
}

impl fmt::Debug for AcceptWakeups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, count) = (&self.waiting, &self.count);
        f.debug_struct("AcceptWakeups")
            .field("waiting", waiting)
            .field("count", count)
            .finish_non_exhaustive()
    }
}

impl AcceptWakeups {
    /// Registers an acceptor: `waker` is called when a connection ends while one waits. It must
    /// not block.
    pub(crate) fn register(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.wakers().push(Box::new(waker));
    }

    /// An acceptor has failed for lack of resources.
    pub(super) fn wait(&self) {
        self.waiting.store(true, Ordering::SeqCst);
    }

    /// A connection has ended. Its descriptor may be closed a little later: acceptors that fail
    /// again retry after the shortest pause.
    pub(super) fn notify(&self) {
        if self.waiting.load(Ordering::SeqCst) && self.waiting.swap(false, Ordering::SeqCst) {
            self.count.fetch_add(1, Ordering::SeqCst);
            self.wakers().iter().for_each(|waker| waker());
        }
    }

    /// Whether there was a wakeup since this was called last with `seen`.
    pub(crate) fn notified_since(&self, seen: &mut u64) -> bool {
        let count = self.count.load(Ordering::SeqCst);
        std::mem::replace(seen, count) != count
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn one_that_waits_is_woken_once() {
        let (wakeups, woken) = (AcceptWakeups::default(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&woken);
        wakeups.register(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let mut seen = 0;
        wakeups.notify();
        assert!(!wakeups.notified_since(&mut seen), "nobody waits");
        wakeups.wait();
        wakeups.notify();
        wakeups.notify();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(wakeups.notified_since(&mut seen));
        assert!(!wakeups.notified_since(&mut seen));
    }
}
