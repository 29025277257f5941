//! Which connections have mail: [`MailList`], for models whose workers wait for many of
//! them. A connection is on it at most once for each time that it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker as TaskWaker};

use echo_net::reactor::Waker;

/// Connections, named by keys, that are to be looked at; whoever looks is woken.
#[derive(Debug)]
pub(super) struct MailList<K> {
    keys: Mutex<VecDeque<K>>,
    waker: Waker,
}

impl<K: Copy + Send + Sync + 'static> MailList<K> {
    /// Empty; `waker` is used when it no longer is.
    pub(super) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self { keys: Mutex::default(), waker })
    }

    /// A waker that puts a connection on the list.
    pub(super) fn waker(self: &Arc<Self>, key: K) -> TaskWaker {
        TaskWaker::from(Arc::new(Notice { list: Arc::clone(self), key }))
    }

    /// Puts a connection on the list.
    pub(super) fn put(&self, key: K) {
        let mut keys = self.lock();
        keys.push_back(key);
        // One that was not empty has been woken for and not been looked at yet.
        if keys.len() == 1 {
            self.waker.wake();
        }
    }

    /// All that are on the list; it is empty then.
    pub(super) fn take(&self) -> VecDeque<K> {
        std::mem::take(&mut *self.lock())
    }

    /// The first on the list. The waker is reset with the last one, so that as long as there
    /// are more it wakes others to share in the work.
    pub(super) fn take_one(&self) -> Option<K> {
        let mut keys = self.lock();
        let key = keys.pop_front();
        if keys.is_empty() {
            self.waker.reset();
        }
        key
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Notice<K> {
    list: Arc<MailList<K>>,
    key: K,
}

impl<K: Copy + Send + Sync + 'static> Wake for Notice<K> {
    fn wake(self: Arc<Self>) {
        self.list.put(self.key);
    }
}
