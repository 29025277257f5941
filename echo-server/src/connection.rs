//! A connection as all models hold it: [`Connection`], a session and its permit. The socket
//! belongs to the model, which alone knows how to wait for it.

use std::ops::{Deref, DerefMut};

use crate::admission::Permit;
use crate::session::Session;

/// A session that is counted while it lives.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Session,
    permit: Permit,
}

impl Connection {
    /// A connection that was let in.
    pub(crate) fn new(session: Session, permit: Permit) -> Self {
        Self { session, permit }
    }
}

impl Deref for Connection {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.session.is_owed() {
            self.permit.ends_early();
        }
    }
}
