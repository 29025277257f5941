//! When all of a server serves: [`Readiness`]. Only then is it announced.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Called once.
type Tell = Box<dyn FnOnce() + Send>;

/// Counts the parts of a server (workers, acceptors) that do not serve yet.
#[derive(Default)]
pub(crate) struct Readiness {
    missing: AtomicUsize,
    tell: Mutex<Option<Tell>>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl Readiness {
    /// `tell` is called, by the last part, once all serve; never if one of them fails before.
    pub(crate) fn new(tell: Option<Tell>) -> Self {
        Self { missing: AtomicUsize::new(0), tell: Mutex::new(tell) }
    }

    /// So many parts have to serve. Called before any does.
    pub(crate) fn expect(&self, parts: usize) {
        self.missing.store(parts, Ordering::Release);
    }

    /// One of them serves from now on.
    pub(crate) fn serves(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(tell) = tell {
                tell();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn is_told_once_by_the_last() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let tell = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let readiness = Readiness::new(Some(Box::new(tell)));
        readiness.expect(2);
        readiness.serves();
        assert_eq!(told.load(Ordering::Relaxed), 0);
        readiness.serves();
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
