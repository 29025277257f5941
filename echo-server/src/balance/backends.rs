//! Selection of backends: [`Backends`], with their health, open connections and addresses.
//! Opens no socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echo_net::address::{Address, SocketAddress};

/// Consecutive failures after which a backend is down.
const FAILURES: u32 = 3;

/// Consecutive successes after which it is up again.
const SUCCESSES: u32 = 2;

/// Load balancing policy.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Policy {
    /// In rotation.
    #[default]
    RoundRobin,
    /// Fewest open connections first.
    LeastConns,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Backends {
    policy: Policy,
    turn: AtomicUsize,
    all: Vec<Backend>,
}

#[derive(Debug)]
struct Backend {
    name: Address,
    /// All addresses of the name; the last one that worked is tried first.
    addresses: Mutex<Vec<SocketAddress>>,
    open: Arc<AtomicUsize>,
    health: Mutex<Health>,
}

#[derive(Debug, Clone, Copy)]
struct Health {
    well: bool,
    /// Consecutive checks that contradict the current state.
    against: u32,
}

/// A connection to a backend, counted until it is dropped.
#[derive(Debug)]
pub(super) struct InUse(Arc<AtomicUsize>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backends {
    /// All up, without connections.
    pub(super) fn new(found: Vec<(Address, Vec<SocketAddress>)>, policy: Policy) -> Self {
        let backend = |(name, addresses)| Backend {
            name,
            addresses: Mutex::new(addresses),
            open: Arc::default(),
            health: Mutex::new(Health { well: true, against: 0 }),
        };
        let all = found.into_iter().map(backend).collect();
        Self { policy, turn: AtomicUsize::new(0), all }
    }

    /// Indices of all backends.
    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.all.len()
    }

    /// The name as typed.
    pub(super) fn name(&self, backend: usize) -> &Address {
        &self.all[backend].name
    }

    /// Its addresses, in the order to try.
    pub(super) fn addresses(&self, backend: usize) -> Vec<SocketAddress> {
        lock(&self.all[backend].addresses).clone()
    }

    /// Records that one of its addresses has answered.
    pub(super) fn answered(&self, backend: usize, address: SocketAddress) {
        let mut addresses = lock(&self.all[backend].addresses);
        if let Some(place) = addresses.iter().position(|known| *known == address) {
            addresses[..=place].rotate_right(1);
        }
    }

    /// Updates its addresses; whether they have changed.
    pub(super) fn moved(&self, backend: usize, mut found: Vec<SocketAddress>) -> bool {
        let mut addresses = lock(&self.all[backend].addresses);
        let same = found.len() == addresses.len()
            && found.iter().all(|address| addresses.contains(address));
        if !same {
            std::mem::swap(&mut *addresses, &mut found);
        }
        !same
    }

    /// Whether it is up, and its number of open connections.
    pub(super) fn state(&self, backend: usize) -> (bool, usize) {
        let backend = &self.all[backend];
        (lock(&backend.health).well, backend.open.load(Ordering::Relaxed))
    }

    /// Counts a connection.
    pub(super) fn in_use(&self, backend: usize) -> InUse {
        let open = Arc::clone(&self.all[backend].open);
        open.fetch_add(1, Ordering::Relaxed);
        InUse(open)
    }

    /// Backends to try for a new connection, best first. Those that are down come last, since
    /// trying them is better than refusing the client.
    pub(super) fn candidates(&self) -> Vec<usize> {
        let count = self.all.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<usize> = (0..count).map(|i| (first + i) % count).collect();
        // Stable: ties stay in rotation order.
        order.sort_by_key(|&backend| {
            let backend = &self.all[backend];
            let open = match self.policy {
                Policy::RoundRobin => 0,
                Policy::LeastConns => backend.open.load(Ordering::Relaxed),
            };
            (!lock(&backend.health).well, open)
        });
        order
    }

    /// Records whether a backend was reached; returns its new state if it has changed.
    pub(super) fn checked(&self, backend: usize, reached: bool) -> Option<bool> {
        let mut health = lock(&self.all[backend].health);
        if reached == health.well {
            health.against = 0;
            return None;
        }
        health.against += 1;
        if health.against < if health.well { FAILURES } else { SUCCESSES } {
            return None;
        }
        *health = Health { well: reached, against: 0 };
        Some(reached)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn backends(policy: Policy) -> Backends {
        let found = |port: u16| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            (address.to_string().parse().unwrap(), vec![address.into()])
        };
        Backends::new([1, 2, 3].map(found).to_vec(), policy)
    }

    #[test]
    fn the_address_that_answered_is_the_first_and_the_others_keep_their_order() {
        let [a, b, c, d] = [1, 2, 3, 4]
            .map(|port| SocketAddress::from(SocketAddr::from(([127, 0, 0, 1], port))));
        let name: Address = "three:1".parse().unwrap();
        let backends = Backends::new(vec![(name, vec![a, b, c])], Policy::default());
        backends.answered(0, c);
        assert_eq!(backends.addresses(0), [c, a, b]);
        assert!(!backends.moved(0, vec![a, b, c]), "the same, in the resolver's order");
        assert_eq!(backends.addresses(0), [c, a, b]);
        assert!(backends.moved(0, vec![d, a]));
        backends.answered(0, c);
        assert_eq!(backends.addresses(0), [d, a]);
    }

    #[test]
    fn backends_take_turns() {
        let backends = backends(Policy::RoundRobin);
        let first: Vec<usize> = (0..6).map(|_| backends.candidates()[0]).collect();
        assert_eq!(first, [0, 1, 2, 0, 1, 2]);
        assert_eq!(backends.candidates(), [0, 1, 2]);
    }

    #[test]
    fn the_least_busy_is_first_and_an_end_frees_its_place() {
        let backends = backends(Policy::LeastConns);
        let held: Vec<InUse> =
            (0..3).map(|_| backends.in_use(backends.candidates()[0])).collect();
        let again = backends.in_use(1);
        assert_ne!(backends.candidates()[0], 1);
        drop(again);
        drop(held);
        let both = [backends.in_use(0), backends.in_use(2)];
        assert_eq!(backends.candidates()[0], 1);
        drop(both);
    }

    #[test]
    fn three_failures_in_a_row_put_it_out_and_two_successes_bring_it_back() {
        let backends = backends(Policy::RoundRobin);
        for (reached, changed) in [
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(false)),
            (false, None),
            (true, None),
            (false, None),
            (true, None),
        ] {
            assert_eq!(backends.checked(1, reached), changed);
        }
        assert_eq!(backends.candidates(), [0, 2, 1]);
        assert_eq!(backends.checked(1, true), Some(true));
        assert_eq!(backends.candidates(), [1, 2, 0]);
    }
}
