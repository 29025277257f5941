//! One connection of a worker: [`Connection`].

use std::net::SocketAddr;

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::Key;
use echo_net::tls::Transform;
use echo_proto::{Opening, Requester};

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
    /// Where it leads to.
    pub(super) target: SocketAddr,
    /// How often it was begun.
    pub(super) dials: u32,
    pub(super) key: Option<Key>,
    pub(super) state: State,
    pub(super) requester: Requester,
    /// What the server said first since it was made.
    pub(super) opening: Opening,
    /// In a box, since most runs have none.
    pub(super) tls: Option<Box<Transform>>,
    pub(super) in_flight: InFlight,
    /// The number of the first request since it was made.
    first_request: u64,
    /// Whether it has ever been made.
    pub(super) established: bool,
    /// Whether it was not made the last time for want of a socket on this side.
    pub(super) lacks_socket: bool,
    attempts: u32,
}

impl Connection {
    pub(super) fn new(
        number: u32,
        target: SocketAddr,
        requester: Requester,
        streams: u32,
    ) -> Self {
        Self {
            number,
            target,
            dials: 0,
            key: None,
            state: State::Idle,
            requester,
            opening: Opening::default(),
            tls: None,
            in_flight: InFlight::new(streams),
            first_request: 0,
            established: false,
            lacks_socket: false,
            attempts: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// It is made.
    pub(super) fn up(&mut self) {
        self.state = State::Up;
        self.opening = Opening::default();
        self.established = true;
        self.first_request = self.in_flight.next_request();
    }

    /// Requests that it can take now: none while it is down, at most so many in flight, and
    /// at most so many since it was made.
    pub(super) fn free_slots(&self, pipeline: u32, reconnect_after: Option<u32>) -> u32 {
        if !self.is_up() {
            return 0;
        }
        let free = pipeline.saturating_sub(self.in_flight.waiting());
        free.min(reconnect_after.map_or(u32::MAX, |most| self.left_of(most)))
    }

    /// Whether it has had all its requests, and their answers.
    pub(super) fn is_worn_out(&self, reconnect_after: Option<u32>) -> bool {
        self.is_up()
            && self.in_flight.waiting() == 0
            && reconnect_after.is_some_and(|most| self.left_of(most) == 0)
    }

    fn left_of(&self, most: u32) -> u32 {
        let sent = self.in_flight.next_request() - self.first_request;
        u64::from(most).saturating_sub(sent) as u32
    }

    /// It was closed by us, and is made again as soon as that may be.
    pub(super) fn renew(&mut self) {
        (self.key, self.tls) = (None, None);
        self.state = State::Down(None);
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
