//! One connection of a generator thread: [`Link`].

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::Key;
use echo_net::tls::Transform;

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not dialled, or closed by us.
    Idle,
    /// Dialled at this instant.
    Dialling(Nanos),
    /// Connected, and in the TLS handshake.
    Handshaking {
        /// When it was dialled.
        dialled: Nanos,
        /// When it was connected.
        since: Nanos,
    },
    /// Connected, and in what the workload says first, since this instant.
    Introducing(Nanos),
    /// Ready for requests.
    Up,
    /// Lost, or not made; dialled again at this instant.
    Down(Nanos),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Link {
    /// Its number in the fleet.
    pub(super) number: u32,
    pub(super) key: Option<Key>,
    pub(super) state: State,
    /// In a box, since most runs have none.
    pub(super) tls: Option<Box<Transform>>,
    /// Whether it has ever been up.
    pub(super) established: bool,
    /// What arrived first looks like an alert of TLS; `None` until something arrives.
    pub(super) is_alerted: Option<bool>,
    attempts: u32,
}

impl Link {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            key: None,
            state: State::Idle,
            tls: None,
            established: false,
            is_alerted: None,
            attempts: 0,
        }
    }

    /// Forgets the socket.
    pub(super) fn clear(&mut self) -> Option<Key> {
        (self.tls, self.is_alerted) = (None, None);
        self.state = State::Idle;
        self.key.take()
    }

    /// It is lost, and dialled again after a pause that doubles each time, so that a dead
    /// server is not flooded with attempts. Links differ by their number, so that a fleet
    /// does not come back in one wave.
    pub(super) fn back_off(&mut self, now: Nanos) {
        let pause = (10 * MILLISECOND) << self.attempts.min(7);
        let spread = u64::from(self.number % 16) * MILLISECOND;
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Down(now + pause.min(SECOND) + spread);
    }

    /// A right reply came: the next loss is a new one.
    pub(super) fn prove(&mut self) {
        self.attempts = 0;
    }
}
