//! Distribution of accepted sockets over event loops: [`Handoff`], with an [`Inbox`] per
//! worker.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use echo_net::reactor::Waker;

use crate::admission::Permit;

/// Sockets that another worker has accepted.
#[derive(Debug, Default)]
pub(in crate::model) struct Inbox {
    sockets: Mutex<Vec<(OwnedFd, Permit)>>,
    /// Set once the worker has a reactor. Only used with `sockets` locked, so that a worker
    /// that checks its inbox after setting it misses nothing.
    waker: OnceLock<Waker>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<(OwnedFd, Permit)>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `waker` wakes the worker.
    pub(in crate::model) fn wake_with(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    /// Passes a socket to the worker.
    pub(in crate::model) fn put(&self, socket: OwnedFd, permit: Permit) {
        let mut sockets = self.lock();
        sockets.push((socket, permit));
        // If it was not empty, the worker has already been woken.
        if sockets.len() == 1 {
            self.waker.get().inspect(|waker| waker.wake());
        }
    }

    /// Wakes the worker, if it has started.
    pub(in crate::model) fn wake(&self) {
        let _sockets = self.lock();
        self.waker.get().inspect(|waker| waker.wake());
    }

    /// Whether it is empty.
    pub(in crate::model) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes all its sockets.
    pub(in crate::model) fn take(&self) -> Vec<(OwnedFd, Permit)> {
        std::mem::take(&mut *self.lock())
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(in crate::model) struct Handoff {
    /// One per worker.
    pub(in crate::model) inboxes: Box<[Inbox]>,
    /// Workers that still accept, and may therefore fill an inbox.
    pub(in crate::model) accepting: AtomicUsize,
    /// Whether each worker keeps the sockets that it accepts.
    pub(in crate::model) keep_own: bool,
}

impl Handoff {
    /// For `workers` workers, `listeners` of which accept.
    pub(in crate::model) fn new(workers: usize, listeners: usize) -> Self {
        Self {
            inboxes: (0..workers).map(|_| Inbox::default()).collect(),
            accepting: AtomicUsize::new(listeners),
            keep_own: listeners >= workers,
        }
    }
}
