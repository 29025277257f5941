//! A connection as all models hold it: [`Connection`], a session and its permit. The socket
//! belongs to the model, which alone knows how to wait for it.

use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use tracing::debug;

use crate::admission::Permit;
use crate::session::Session;

/// A session that is counted while it lives.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Session,
    permit: Permit,
    /// The peer did not get all of the output.
    cut_short: bool,
}

impl Connection {
    /// A connection that was let in.
    pub(crate) fn new(session: Session, permit: Permit) -> Self {
        Self { session, permit, cut_short: false }
    }

    /// Whose it is.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.permit.peer()
    }

    /// The socket has failed.
    pub(crate) fn broke(&self, error: &io::Error) {
        debug!(peer = %self.peer(), %error, "connection broke");
    }

    /// The socket is closed before the peer's kernel has all of the output.
    pub(crate) fn cut_short(&mut self) {
        self.cut_short = true;
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
        if self.cut_short || self.session.is_owed() {
            self.permit.ends_early();
        }
        if !self.permit.is_turned_away() {
            debug!(peer = %self.peer(), "disconnected");
        }
    }
}
