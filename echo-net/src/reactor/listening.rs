//! A listener of a reactor: [`Listening`]; and the address of an accepted peer.

use std::net::{SocketAddr, TcpListener};

use rustix::net::SocketAddrAny;

use super::ACCEPT_PAUSE;
use crate::address::canonical;
use crate::clock::{self, Nanos};

/// The peer's address as reported by the kernel; fails if the peer has already disconnected.
pub(super) fn peer(given: Option<SocketAddrAny>) -> SocketAddr {
    let peer = given.and_then(|peer| SocketAddr::try_from(peer).ok());
    peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), canonical)
}

/// A listener, and whether accepting is paused because descriptors or memory have run out.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    paused_until: Option<Nanos>,
}

impl Listening {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, paused_until: None }
    }

    /// Pauses accepting.
    pub(super) fn pause(&mut self) {
        self.paused_until = Some(clock::now() + ACCEPT_PAUSE);
    }

    /// When the pause ends, if there is one.
    pub(super) fn paused_until(&self) -> Option<Nanos> {
        self.paused_until
    }

    /// Ends the pause if it is due; whether it did.
    pub(super) fn resume(&mut self) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= clock::now());
        if over {
            self.paused_until = None;
        }
        over
    }
}
