//! A listener that a reactor accepts on: [`Listening`]; and the address of who is accepted.

use std::net::{SocketAddr, TcpListener};

use rustix::net::SocketAddrAny;

use super::ACCEPT_PAUSE;
use crate::address::canonical;
use crate::clock::{self, Nanos};

/// The address of a peer as the kernel gives it; it may be gone already, and its address with
/// it.
pub(super) fn peer(given: Option<SocketAddrAny>) -> SocketAddr {
    let peer = given.and_then(|peer| SocketAddr::try_from(peer).ok());
    peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), canonical)
}

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
