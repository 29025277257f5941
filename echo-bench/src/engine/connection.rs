//! One connection of a worker: [`Connection`].

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::Key;
use echo_net::tls::Transform;
use echo_proto::Requester;

use super::in_flight::InFlight;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not begun.
    Idle,
    /// Begun at this instant.
    Dialling(Nanos),
    /// Made, and agreeing on TLS.
    Handshaking {
        /// When it was begun.
        dialled: Nanos,
        /// When it was made.
        since: Nanos,
    },
    /// Made, and TLS agreed on if that is wanted.
    Up,
    /// Lost, or not made; tried again at this instant, if ever.
    Down(Option<Nanos>),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number in the fleet, which is part of every request's stamp.
    pub(super) number: u32,
    pub(super) key: Option<Key>,
    pub(super) state: State,
    pub(super) requester: Requester,
    /// In a box, since most runs have none.
    pub(super) tls: Option<Box<Transform>>,
    pub(super) in_flight: InFlight,
    /// Whether it has ever been made.
    pub(super) established: bool,
    attempts: u32,
}

impl Connection {
    pub(super) fn new(number: u32, requester: Requester, streams: u32) -> Self {
        Self {
            number,
            key: None,
            state: State::Idle,
            requester,
            tls: None,
            in_flight: InFlight::new(streams),
            established: false,
            attempts: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// It is made.
    pub(super) fn up(&mut self) {
        self.state = State::Up;
        self.established = true;
    }

    /// It is lost, and will be tried again after a pause that doubles each time, so that a
    /// dead server is not flooded with connection attempts. Connections differ by their
    /// number, so that a fleet does not come back in one wave.
    pub(super) fn down(&mut self, now: Nanos) {
        let pause = (10 * MILLISECOND) << self.attempts.min(7);
        let spread = u64::from(self.number % 16) * MILLISECOND;
        self.attempts += 1;
        self.key = None;
        self.tls = None;
        self.state = State::Down(Some(now + pause.min(SECOND) + spread));
    }

    /// A right reply came: the next loss is a new one.
    pub(super) fn prove(&mut self) {
        self.attempts = 0;
    }
}
