//! Connections with mail: [`MailList`], for models whose workers wait for many connections.
//! Repeated notifications of a connection are merged until it is taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker as TaskWaker};

use echo_net::reactor::Waker;

/// Keys of connections to check; the worker that checks them is woken.
#[derive(Debug)]
pub(super) struct MailList<K> {
    keys: Mutex<VecDeque<K>>,
    waker: Waker,
}

impl<K: Copy + Send + Sync + 'static> MailList<K> {
    /// Empty; `waker` is called when a key is added to an empty list.
    pub(super) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self { keys: Mutex::default(), waker })
    }

    /// A waker that adds a connection to the list.
    pub(super) fn waker(self: &Arc<Self>, key: K) -> TaskWaker {
        TaskWaker::from(Arc::new(Notice { list: Arc::clone(self), key }))
    }

    /// Adds a connection to the list.
    pub(super) fn put(&self, key: K) {
        let mut keys = self.lock();
        keys.push_back(key);
        // If it was not empty, a worker has already been woken.
        if keys.len() == 1 {
            self.waker.wake();
        }
    }

    /// Takes all keys.
    pub(super) fn take(&self) -> VecDeque<K> {
        std::mem::take(&mut *self.lock())
    }

    /// Takes the first key. The waker is reset with the last one, so that other workers are
    /// woken as long as there are more.
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
