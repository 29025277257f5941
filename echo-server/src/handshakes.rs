//! A limit on unfinished TLS handshakes: [`Handshakes`]. Peers that connect and say nothing must
//! not take the places of all others; when one more needs a place, the oldest has to go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

/// The part of all connections that may be in a handshake.
const PART_OF_CONNECTIONS: u64 = 4;

/// How often an unfinished handshake checks whether it has to go.
pub(crate) const LOOK: Nanos = 50 * MILLISECOND;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Handshakes {
    most: usize,
    unfinished: Mutex<Unfinished>,
}

#[derive(Debug, Default)]
struct Unfinished {
    /// In order of their start; true for those that have to go.
    places: BTreeMap<u64, Arc<AtomicBool>>,
    started: u64,
}

impl Handshakes {
    /// For a server of at most `connections` connections.
    pub(crate) fn new(connections: u64) -> Arc<Self> {
        let most = usize::try_from(connections / PART_OF_CONNECTIONS).unwrap_or(usize::MAX);
        Arc::new(Self { most: most.max(1), unfinished: Mutex::default() })
    }

    /// A handshake begins; the oldest has to go if there are too many.
    pub(crate) fn begin(self: &Arc<Self>) -> HandshakePlace {
        let displaced = Arc::new(AtomicBool::new(false));
        let mut unfinished = self.lock();
        let number = unfinished.started;
        unfinished.started += 1;
        unfinished.places.insert(number, Arc::clone(&displaced));
        if unfinished.places.len() > self.most
            && let Some((_, oldest)) = unfinished.places.pop_first()
        {
            oldest.store(true, Ordering::Relaxed);
        }
        HandshakePlace { handshakes: Arc::clone(self), number, displaced }
    }

    fn lock(&self) -> MutexGuard<'_, Unfinished> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one handshake; released when it is dropped.
#[derive(Debug)]
pub(crate) struct HandshakePlace {
    handshakes: Arc<Handshakes>,
    number: u64,
    displaced: Arc<AtomicBool>,
}

impl HandshakePlace {
    /// Whether a newer handshake has taken this place.
    pub(crate) fn is_displaced(&self) -> bool {
        self.displaced.load(Ordering::Relaxed)
    }
}

impl Drop for HandshakePlace {
    fn drop(&mut self) {
        self.handshakes.lock().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_connections_may_shake_hands_and_the_oldest_goes_first() {
        let handshakes = Handshakes::new(40);
        let mut places: Vec<_> = (0..10).map(|_| handshakes.begin()).collect();
        assert!(!places.iter().any(HandshakePlace::is_displaced));
        // One that has finished makes room.
        drop(places.remove(3));
        places.push(handshakes.begin());
        assert!(!places.iter().any(HandshakePlace::is_displaced));
        let newest = handshakes.begin();
        assert!(places.remove(0).is_displaced());
        assert!(!places.iter().any(HandshakePlace::is_displaced));
        assert!(!newest.is_displaced());
        drop((places, newest));
        assert!(handshakes.lock().places.is_empty());
    }

    #[test]
    fn one_handshake_is_always_possible() {
        let handshakes = Handshakes::new(1);
        let (first, second) = (handshakes.begin(), handshakes.begin());
        assert_eq!((first.is_displaced(), second.is_displaced()), (true, false));
    }
}
