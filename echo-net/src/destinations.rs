//! The addresses of a server, used in rotation: [`Destinations`]. An address that failed before
//! it ever accepted a connection is skipped while another works: a name like `localhost` may
//! resolve to addresses without a listener. Opens no connection itself.

use std::net::IpAddr;
use std::ops::AddAssign;

use crate::address::SocketAddress;

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    all: Vec<Destination>,
    sources: Vec<IpAddr>,
}

/// An address and its connection statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub address: SocketAddress,
    /// Successful connections.
    pub made: u64,
    /// Failed attempts.
    pub failed: u64,
    /// Error of the first failed attempt.
    pub failure: Option<String>,
}

/// Target and source of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Target address.
    pub target: SocketAddress,
    /// Source address; `None`: chosen by the system.
    pub source: Option<IpAddr>,
}

impl Destinations {
    /// Connects to `addresses` from `sources` (none: chosen by the system).
    ///
    /// # Panics
    /// If there is no address.
    pub fn new(addresses: &[SocketAddress], sources: &[IpAddr]) -> Self {
        assert!(!addresses.is_empty(), "a server has at least one address");
        let unused = |&address| Destination { address, made: 0, failed: 0, failure: None };
        let all = addresses.iter().map(unused).collect();
        Self { all, sources: sources.to_vec() }
    }

    /// Target and source of connection number `turn`.
    pub fn route(&self, turn: usize) -> Route {
        let usable = self.all.iter().filter(|destination| destination.is_usable()).count();
        // If all have failed, all are tried.
        let among = if usable == 0 { self.all.len() } else { usable };
        let mut candidates =
            self.all.iter().filter(|destination| usable == 0 || destination.is_usable());
        let chosen = candidates.nth(turn % among).unwrap_or(&self.all[0]);
        let target = chosen.address;
        let of_family = |source: &&IpAddr| {
            target.as_tcp().is_some_and(|target| source.is_ipv4() == target.is_ipv4())
        };
        let sources = self.sources.iter().filter(of_family);
        // Each round over all addresses uses the next source.
        let source = sources.clone().nth(turn / among % sources.count().max(1)).copied();
        Route { target, source }
    }

    /// Records a successful connection to `target`.
    pub fn made(&mut self, target: SocketAddress) {
        if let Some(destination) = self.find(target) {
            destination.made += 1;
        }
    }

    /// Records a failed connection to `target`; whether another address should be tried
    /// instead.
    pub fn failed(&mut self, target: SocketAddress, reason: &dyn ToString) -> bool {
        let Some(destination) = self.find(target) else { return false };
        destination.failed += 1;
        destination.failure.get_or_insert_with(|| reason.to_string());
        !destination.is_usable() && self.all.iter().any(Destination::is_usable)
    }

    /// The addresses and their statistics.
    pub fn all(&self) -> &[Destination] {
        &self.all
    }

    fn find(&mut self, target: SocketAddress) -> Option<&mut Destination> {
        self.all.iter_mut().find(|destination| destination.address == target)
    }
}

impl Destination {
    fn is_usable(&self) -> bool {
        self.made > 0 || self.failed == 0
    }
}

/// Adds the statistics of the same addresses from elsewhere.
impl AddAssign<&Self> for Destinations {
    fn add_assign(&mut self, other: &Self) {
        for one in &other.all {
            match self.find(one.address) {
                Some(destination) => {
                    destination.made += one.made;
                    destination.failed += one.failed;
                    destination.failure =
                        destination.failure.take().or_else(|| one.failure.clone());
                }
                None => self.all.push(one.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(addresses: &[&str], sources: &[&str]) -> Destinations {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let sources: Vec<_> = sources.iter().map(|text| text.parse().unwrap()).collect();
        Destinations::new(&addresses, &sources)
    }

    fn targets(of: &Destinations, turns: usize) -> Vec<String> {
        (0..turns).map(|turn| of.route(turn).target.to_string()).collect()
    }

    #[test]
    fn addresses_take_turns_and_one_that_never_answered_is_left_out() {
        let mut of = destinations(&["[::1]:1", "127.0.0.1:1", "127.0.0.2:1"], &[]);
        assert_eq!(targets(&of, 4), ["[::1]:1", "127.0.0.1:1", "127.0.0.2:1", "[::1]:1"]);
        let [dead, first, second] = [0, 1, 2].map(|turn| of.route(turn).target);
        assert!(of.failed(dead, &"refused"));
        assert_eq!(targets(&of, 3), ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.1:1"]);
        // An address that has worked once is not skipped when it fails later.
        of.made(first);
        assert!(!of.failed(first, &"full"));
        assert!(of.failed(second, &"refused"));
        assert_eq!(targets(&of, 2), ["127.0.0.1:1", "127.0.0.1:1"]);
        let told: Vec<_> = of.all().iter().map(|one| (one.made, one.failed)).collect();
        assert_eq!(told, [(0, 1), (1, 1), (0, 1)]);
        assert_eq!(of.all()[0].failure.as_deref(), Some("refused"));
    }

    #[test]
    fn where_all_have_failed_none_is_to_be_tried_in_place_of_another() {
        let mut of = destinations(&["[::1]:1", "127.0.0.1:1"], &[]);
        let [one, other] = [0, 1].map(|turn| of.route(turn).target);
        assert!(of.failed(one, &"refused"));
        assert!(!of.failed(other, &"refused"));
        assert_eq!(targets(&of, 2), ["[::1]:1", "127.0.0.1:1"]);
        assert!(!destinations(&["127.0.0.1:1"], &[]).failed(other, &"refused"));
    }

    #[test]
    fn a_source_is_of_the_family_of_its_target() {
        let sources = ["127.0.0.2", "::1", "127.0.0.3"];
        let of = destinations(&["[::1]:1", "127.0.0.1:1"], &sources);
        let routes: Vec<_> = (0..6).map(|turn| of.route(turn).source.unwrap()).collect();
        let routes: Vec<_> = routes.iter().map(ToString::to_string).collect();
        let expected = ["::1", "127.0.0.2", "::1", "127.0.0.3", "::1", "127.0.0.2"];
        assert_eq!(routes, expected);
        assert_eq!(destinations(&["[::1]:1"], &["127.0.0.1"]).route(0).source, None);
    }
}
