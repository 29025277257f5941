//! A listener of a reactor: [`Listening`]; and how long to wait after a failure: [`AcceptPause`].

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::ACCEPT_PAUSE;
use crate::address::PeerAddress;
use crate::clock::{self, MILLISECOND, Nanos};
use crate::listener::Listener;
use crate::socket::is_peers_fault;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Nanos = MILLISECOND;

/// How long to wait after accepting has failed for lack of descriptors or memory: from a
/// millisecond up to [`ACCEPT_PAUSE`], doubling, so that a lasting shortage costs ten attempts
/// per second and a short one costs milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptPause {
    next: Nanos,
}

impl Default for AcceptPause {
    fn default() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl AcceptPause {
    /// The pause after one more failure.
    pub fn after_failure(&mut self) -> Nanos {
        let pause = self.next;
        self.next = (2 * pause).min(ACCEPT_PAUSE);
        pause
    }

    /// A connection was accepted, or a descriptor is free: the next pause is the shortest again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Result of one attempt to accept.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A non-blocking socket and its peer.
    Socket(OwnedFd, PeerAddress),
    /// No connection is pending.
    Nothing,
    /// The peer has disconnected before; there may be others.
    Gone,
    /// Accepting failed for a local reason, and pauses.
    Failed(io::Error),
}

/// A listener, and whether accepting is paused because descriptors or memory have run out.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: Listener,
    pause: AcceptPause,
    paused_until: Option<Nanos>,
}

impl Listening {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener, pause: AcceptPause::default(), paused_until: None }
    }

    /// Accepts one connection, if one is pending.
    pub(super) fn accept(&mut self) -> Accepted {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match rustix::net::acceptfrom_with(&self.listener, flags) {
            Ok((socket, address)) => {
                self.succeeded();
                let said = || address.and_then(|address| SocketAddr::try_from(address).ok());
                let peer = self.listener.peer(socket.as_fd(), said);
                Accepted::Socket(socket, peer)
            }
            Err(Errno::AGAIN) => Accepted::Nothing,
            Err(error) if is_peers_fault(&error.into()) => Accepted::Gone,
            Err(error) => {
                self.pause();
                Accepted::Failed(error.into())
            }
        }
    }

    /// A connection was accepted.
    pub(super) fn succeeded(&mut self) {
        self.pause.reset();
    }

    /// Pauses accepting after a failure.
    pub(super) fn pause(&mut self) {
        self.paused_until = Some(clock::now() + self.pause.after_failure());
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

    /// Makes a pause due now.
    pub(super) fn hurry(&mut self) {
        if let Some(until) = &mut self.paused_until {
            *until = 0;
            self.pause.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_accepting_fails_and_start_over_after_a_success() {
        let mut pause = AcceptPause::default();
        let pauses: Vec<_> = (0..9).map(|_| pause.after_failure() / MILLISECOND).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
        pause.reset();
        assert_eq!(pause.after_failure(), MILLISECOND);
    }
}
