//! One connection of a generator thread: [`Link`].

use std::net::IpAddr;

use echo_net::Nanos;
use echo_net::address::SocketAddress;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::Key;
use echo_net::tls::Transform;
use echo_proto::Opening;

use crate::record::FailureKind;

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
    /// Where it leads to.
    pub(super) target: SocketAddress,
    /// Where it comes from; none: the system's choice.
    pub(super) source: Option<IpAddr>,
    /// How often it was dialled.
    pub(super) dials: usize,
    pub(super) key: Option<Key>,
    pub(super) state: State,
    /// In a box, since most runs have none.
    pub(super) tls: Option<Box<Transform>>,
    /// Whether it has ever been up.
    pub(super) established: bool,
    /// How it failed when it was not made the last time.
    pub(super) unmade: Option<FailureKind>,
    /// What the server said first since it was made.
    pub(super) opening: Opening,
    attempts: u32,
}

impl Link {
    pub(super) fn new(number: u32, target: SocketAddress) -> Self {
        Self {
            number,
            target,
            source: None,
            dials: 0,
            key: None,
            state: State::Idle,
            tls: None,
            established: false,
            unmade: None,
            opening: Opening::default(),
            attempts: 0,
        }
    }

    /// Forgets the socket.
    pub(super) fn clear(&mut self) -> Option<Key> {
        (self.tls, self.opening) = (None, Opening::default());
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

    /// A successful reply came: the next loss is a new one.
    pub(super) fn prove(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_before_dialling_again_double_to_a_second_and_differ_between_links() {
        let pauses = |number| {
            let mut link = Link::new(number, "127.0.0.1:1".parse().unwrap());
            let pauses: Vec<_> = (0..9)
                .map(|_| {
                    link.back_off(7);
                    let State::Down(until) = link.state else { panic!("{:?}", link.state) };
                    (until - 7) / MILLISECOND
                })
                .collect();
            link.prove();
            link.back_off(0);
            assert_eq!(link.state, State::Down(MILLISECOND * pauses[0]), "a new loss");
            pauses
        };
        assert_eq!(pauses(0), [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        let first: std::collections::BTreeSet<_> = (0..16).map(|n| pauses(n)[0]).collect();
        assert_eq!(first.len(), 16, "they come back one after the other: {first:?}");
    }
}
