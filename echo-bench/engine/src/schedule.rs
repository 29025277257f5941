//! When requests fall due under open load: [`ArrivalStream`]. Pure: seed, rate, arrival
//! process and connection give the instants, and nothing that a server does can move them.
//!
//! A fleet of `n` connections at a total rate `R` is `n` streams of rate `R/n`. Constant
//! streams are shifted by `i/n` of their period, so that together they tick evenly and
//! never fire in lockstep; Poisson streams are independent, and so is their sum. A load in
//! [stages](Stage) bends the time of both: request n of the fleet is due when the area below
//! the rate is n. Of [recorded](Recorded) instants each connection takes every n-th.

use std::sync::Arc;

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;

use crate::fingerprint;

mod fleet;
mod recorded;
mod stages;

pub use fleet::Schedule;
pub use recorded::{InvalidRecording, Recorded};
use stages::Profile;
pub use stages::{InvalidStage, Stage};

/// How requests are spread over time.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Equal gaps.
    #[default]
    Constant,
    /// Exponential gaps, as of many independent users.
    Poisson,
}

/// The due instants of one connection, in nanoseconds after the start of the load.
#[derive(Debug, Clone)]
pub struct ArrivalStream {
    clock: Clock,
    gaps: Gaps,
}

/// What counts of periods mean in time.
#[derive(Debug, Clone)]
enum Clock {
    /// All periods are equally long.
    Even { period_ns: f64 },
    /// The rate changes; a period is a request of every connection.
    Bent { profile: Arc<Profile>, connections: f64, place: usize },
    /// The same for the warm-up; then these instants, so much later.
    Recorded(Box<Taken>),
}

/// Every n-th of recorded instants, after a warm-up.
#[derive(Debug, Clone)]
struct Taken {
    warmup_ns: Nanos,
    warmup: Option<ArrivalStream>,
    instants: Arc<[Nanos]>,
    next: usize,
    step: usize,
}

#[derive(Debug, Clone)]
enum Gaps {
    /// Instant `k` is `(k + phase)` periods; computed afresh each time, so that rounding
    /// never adds up.
    Constant { next: u64, phase: f64 },
    /// The sum of the gaps so far, in periods.
    Poisson { at: f64, random: Box<Xoshiro256PlusPlus> },
}

impl Gaps {
    fn new(seed: u64, arrival: Arrival, index: u32, connections: u32) -> Self {
        assert!(index < connections, "a plan numbers its connections from 0");
        match arrival {
            Arrival::Constant => {
                Self::Constant { next: 0, phase: f64::from(index) / f64::from(connections) }
            }
            Arrival::Poisson => {
                // Splitmix inside `seed_from_u64` tells neighbouring seeds apart.
                let seed = seed ^ (u64::from(index) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let random = Box::new(Xoshiro256PlusPlus::seed_from_u64(seed));
                Self::Poisson { at: 0.0, random }
            }
        }
    }

    /// The next instant in time of its own, which has a request in each of its units.
    fn advance(&mut self, index: impl FnOnce(u64, f64) -> f64, scale: f64) -> f64 {
        match self {
            Self::Constant { next, phase } => {
                let at = index(*next, *phase);
                *next += 1;
                at
            }
            Self::Poisson { at, random } => {
                let gap: f64 = Exp1.sample(random);
                *at += gap * scale;
                *at
            }
        }
    }
}

impl ArrivalStream {
    /// The stream of connection `index` of `connections`, which together get `rate`
    /// requests per second.
    ///
    /// # Panics
    /// If `rate` is not positive or `index` is not below `connections`.
    pub fn new(seed: u64, rate: f64, arrival: Arrival, index: u32, connections: u32) -> Self {
        assert!(rate > 0.0, "a plan has a positive rate");
        let gaps = Gaps::new(seed, arrival, index, connections);
        Self { clock: Clock::Even { period_ns: f64::from(connections) * 1e9 / rate }, gaps }
    }

    /// The same of a rate that changes. It ends with the last stage.
    fn bent(
        seed: u64,
        profile: &Arc<Profile>,
        arrival: Arrival,
        index: u32,
        connections: u32,
    ) -> Self {
        let gaps = Gaps::new(seed, arrival, index, connections);
        let (profile, connections) = (Arc::clone(profile), connections.into());
        Self { clock: Clock::Bent { profile, connections, place: 0 }, gaps }
    }

    /// The same of recorded instants, which connections take in turn, after a warm-up.
    fn recorded(
        (warmup, warmup_ns): (Self, Nanos),
        recorded: &Recorded,
        index: u32,
        connections: u32,
    ) -> Self {
        let gaps = warmup.gaps.clone();
        let taken = Taken {
            warmup_ns,
            warmup: Some(warmup),
            instants: recorded.instants().cloned().unwrap_or_default(),
            next: index as usize,
            step: connections as usize,
        };
        Self { clock: Clock::Recorded(Box::new(taken)), gaps }
    }
}

impl Taken {
    fn next(&mut self) -> Option<Nanos> {
        if let Some(at) = self.warmup.as_mut().and_then(Iterator::next) {
            return Some(at);
        }
        self.warmup = None;
        let at = *self.instants.get(self.next)?;
        self.next = self.next.saturating_add(self.step);
        Some(at.saturating_add(self.warmup_ns))
    }
}

impl Iterator for ArrivalStream {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        match &mut self.clock {
            Clock::Even { period_ns } => {
                let even = |next, phase| (next as f64 + phase) * *period_ns;
                Some(self.gaps.advance(even, *period_ns) as Nanos)
            }
            Clock::Bent { profile, connections, place } => {
                // The number among the requests of all connections.
                let number = |next, phase: f64| {
                    next as f64 * *connections + (phase * *connections).round()
                };
                profile.instant(self.gaps.advance(number, *connections), place)
            }
            Clock::Recorded(taken) => taken.next(),
        }
    }
}

/// A fingerprint of the first instants of every connection: the same for the same seed,
/// rate, arrival and fleet, on any machine.
pub fn digest(seed: u64, rate: f64, arrival: Arrival, connections: u32) -> String {
    let stream = |index| ArrivalStream::new(seed, rate, arrival, index, connections);
    digest_of((0..connections).map(stream), [])
}

/// The same of any streams, and of what their first instants do not say.
fn digest_of(
    streams: impl Iterator<Item = ArrivalStream>,
    more: impl IntoIterator<Item = u64>,
) -> String {
    let instants = streams.flat_map(|stream| stream.take(16)).chain(more);
    fingerprint::digest(instants.flat_map(u64::to_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn fleet(rate: f64, arrival: Arrival, connections: u32, until: u64) -> Vec<u64> {
        let mut all: Vec<u64> = (0..connections)
            .flat_map(|index| {
                ArrivalStream::new(7, rate, arrival, index, connections)
                    .take_while(move |&at| at < until)
            })
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_constant_fleet_ticks_evenly_and_never_in_lockstep() {
        let all = fleet(1000.0, Arrival::Constant, 7, 10 * SECOND);
        assert_eq!(all.len(), 10_000);
        for (k, at) in all.iter().enumerate() {
            assert!(at.abs_diff(k as u64 * 1_000_000) <= 1, "request {k} is due at {at}");
        }
    }

    #[test]
    fn fractions_of_a_request_per_second_are_kept() {
        assert_eq!(fleet(0.5, Arrival::Constant, 3, 10 * SECOND).len(), 5);
        assert_eq!(fleet(101.0, Arrival::Constant, 1000, 100 * SECOND).len(), 10_100);
    }

    #[test]
    fn the_digest_tells_seeds_rates_and_fleets_apart() {
        let base = digest(1, 100.0, Arrival::Poisson, 4);
        assert_eq!(base, digest(1, 100.0, Arrival::Poisson, 4));
        assert_ne!(base, digest(2, 100.0, Arrival::Poisson, 4));
        assert_ne!(base, digest(1, 101.0, Arrival::Poisson, 4));
        assert_ne!(base, digest(1, 100.0, Arrival::Constant, 4));
        assert_ne!(base, digest(1, 100.0, Arrival::Poisson, 5));
    }

    /// Anderson-Darling against the exponential distribution of known mean (D'Agostino and
    /// Stephens 1986, case 0: the 1 % critical value is 3.857).
    fn anderson_darling(mut gaps: Vec<f64>, mean: f64) -> f64 {
        gaps.sort_unstable_by(f64::total_cmp);
        let n = gaps.len();
        let cdf = |gap: f64| (1.0 - (-gap / mean).exp()).clamp(1e-12, 1.0 - 1e-12);
        let sum: f64 = (0..n)
            .map(|i| {
                let (low, high) = (cdf(gaps[i]), cdf(gaps[n - 1 - i]));
                (2 * i + 1) as f64 * (low.ln() + (1.0 - high).ln())
            })
            .sum();
        -(n as f64) - sum / n as f64
    }

    #[test]
    fn poisson_gaps_are_exponential_per_connection_and_for_the_fleet() {
        let gaps_of = |instants: &[u64]| -> Vec<f64> {
            instants.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
        };
        let fleet = gaps_of(&fleet(10_000.0, Arrival::Poisson, 13, SECOND));
        assert!(anderson_darling(fleet.clone(), 1e5) < 3.857);
        assert!(anderson_darling(fleet, 1.2e5) > 3.857, "the test must be able to fail");
        let one: Vec<u64> =
            ArrivalStream::new(3, 1000.0, Arrival::Poisson, 2, 4).take(10_000).collect();
        assert!(anderson_darling(gaps_of(&one), 4e6) < 3.857);
    }

    proptest! {
        #[test]
        fn instants_never_go_back(
            seed in any::<u64>(), rate in 0.01f64..1e7, connections in 1u32..50, poisson in any::<bool>(),
        ) {
            let arrival = if poisson { Arrival::Poisson } else { Arrival::Constant };
            let stream = ArrivalStream::new(seed, rate, arrival, connections - 1, connections);
            let instants: Vec<u64> = stream.take(100).collect();
            prop_assert!(instants.is_sorted());
        }
    }
}
