//! A listener that a reactor accepts on: [`Listening`].

use std::net::TcpListener;

use super::ACCEPT_PAUSE;
use crate::clock::{self, Nanos};

/// A listener, and whether accepting pauses because descriptors or memory have run out.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    paused_until: Option<Nanos>,
}

impl Listening {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, paused_until: None }
    }

    /// Begins a pause of accepting.
    pub(super) fn pause(&mut self) {
        self.paused_until = Some(clock::now() + ACCEPT_PAUSE);
    }

    /// When the pause ends, if there is one.
    pub(super) fn paused_until(&self) -> Option<Nanos> {
        self.paused_until
    }

    /// Ends a pause that is over; whether it did.
    pub(super) fn resume(&mut self) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= clock::now());
        if over {
            self.paused_until = None;
        }
        over
    }
}
