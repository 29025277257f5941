//! A panic of one part of the server: [`FirstPanic`] keeps its cause until all parts have ended.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What a thread panicked with.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The first of them; the others follow from it.
#[derive(Default)]
pub(crate) struct FirstPanic(Mutex<Option<Payload>>);

impl fmt::Debug for FirstPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstPanic").finish_non_exhaustive()
    }
}

impl FirstPanic {
    /// Keeps the payload, if it is the first.
    pub(crate) fn keep(&self, payload: Payload) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
    }

    /// The payload, if there was a panic.
    pub(crate) fn take(&self) -> Option<Payload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
