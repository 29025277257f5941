//! What a run does at this moment, for whoever watches it: [`Pulse`], which a generator thread
//! alone writes, and [`Beat`], which is read of all of them ten times a second. Warm-up and
//! connecting are seen too. Nothing of it is in the record of a run: its latencies are rough.

use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use serde::{Deserialize, Serialize};

use crate::record::Phase;

/// How often a run is looked at.
pub(super) const BEAT: Nanos = 100 * MILLISECOND;

/// Steps of each power of two: latencies are known to 6 %.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 4;

/// Up to an hour and a bit.
const BUCKETS: usize = 40 * STEPS;

/// What one thread has done so far. It has one writer, so that a count is a load and a store.
#[derive(Debug)]
pub struct Pulse {
    established: AtomicU32,
    failed: AtomicU64,
    responses: Box<[AtomicU64]>,
    stamped_ns: AtomicU64,
    own_ns: AtomicU64,
    replies: AtomicU64,
    /// The bits of a float: the squares of a day do not fit an integer.
    squares: AtomicU64,
    served: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        let responses = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self {
            established: AtomicU32::default(),
            failed: AtomicU64::default(),
            responses,
            stamped_ns: AtomicU64::default(),
            own_ns: AtomicU64::default(),
            replies: AtomicU64::default(),
            squares: AtomicU64::default(),
            served: AtomicU64::default(),
        }
    }
}

/// Adds to a count that has one writer.
#[inline]
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl Pulse {
    /// So many connections are made.
    pub fn established(&self, connections: u32) {
        self.established.store(connections, Ordering::Relaxed);
    }

    /// So many requests got their replies after this time.
    #[inline]
    pub fn answered(&self, count: u64, response: Nanos) {
        if let Some(bucket) = self.responses.get(bucket(response)) {
            add(bucket, count);
        }
    }

    /// A look at a run of this thread alone.
    pub fn beat(self: &Arc<Self>, at: Nanos, phase: Phase, left_ns: Option<Nanos>) -> Beat {
        Beat::of(std::slice::from_ref(self), at, phase, left_ns)
    }

    /// A request of the window has failed.
    pub fn failed(&self) {
        add(&self.failed, 1);
    }

    /// A connection that had so many successful replies of the window got `count` more.
    #[inline]
    pub fn served(&self, before: u64, count: u64) {
        if before == 0 {
            add(&self.served, 1);
        }
        add(&self.replies, count);
        let squares = f64::from_bits(self.squares.load(Ordering::Relaxed));
        let more = count as f64 * (2 * before + count) as f64;
        self.squares.store((squares + more).to_bits(), Ordering::Relaxed);
    }

    /// So many replies with a receive stamp came after this time, of which so much was our own.
    #[inline]
    pub fn stamped(&self, count: u64, response: Nanos, own: Nanos) {
        add(&self.stamped_ns, count.wrapping_mul(response));
        add(&self.own_ns, count.wrapping_mul(own));
    }

    fn sums(&self) -> Sums {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Sums {
            stamped_ns: read(&self.stamped_ns),
            own_ns: read(&self.own_ns),
            replies: read(&self.replies),
            squares: f64::from_bits(read(&self.squares)),
            served: read(&self.served),
        }
    }
}

fn bucket(ns: Nanos) -> usize {
    let power = ns.max(1).ilog2();
    if power < STEP_BITS {
        return ns as usize;
    }
    let step = (ns >> (power - STEP_BITS)) as usize & (STEPS - 1);
    ((power - STEP_BITS + 1) as usize * STEPS + step).min(BUCKETS - 1)
}

/// The greatest value of a bucket.
fn greatest(bucket: usize) -> Nanos {
    if bucket < STEPS {
        return bucket as Nanos;
    }
    let power = (bucket / STEPS - 1) as u32;
    let next = (STEPS + bucket % STEPS + 1) as Nanos;
    (next << power) - 1
}

/// Those of all threads.
pub(super) type Pulses = Vec<Arc<Pulse>>;

/// Replies by their response latency, roughly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Responses(Vec<u64>);

impl Responses {
    fn of(pulses: &[Arc<Pulse>]) -> Self {
        let mut all = vec![0_u64; BUCKETS];
        for pulse in pulses {
            for (sum, count) in all.iter_mut().zip(&pulse.responses) {
                *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        Self(all)
    }

    /// Those that came after an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(before).map(|(now, then)| now.saturating_sub(then)).collect())
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each bucket: its greatest value in nanoseconds, and how many replies are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.0.iter().enumerate().map(|(place, count)| (greatest(place), *count))
    }

    /// A quantile in nanoseconds, to 6 %; `None` of no replies.
    pub fn quantile_ns(&self, quantile: f64) -> Option<Nanos> {
        let count = self.count();
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(greatest)
    }
}

/// What adds up over the measured window, for whoever watches it. Rough, and in no report: there
/// the same is said of every percentile and connection.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// Response latencies of the replies with a receive stamp, added up.
    pub stamped_ns: u64,
    /// The generator's own part of them: late writes, and the wait in its receive queue.
    pub own_ns: u64,
    /// Successful replies.
    pub replies: u64,
    /// The squares of the replies of each connection, added up.
    pub squares: f64,
    /// Connections with a successful reply.
    pub served: u64,
}

impl Sums {
    /// The generator's share of the mean response latency; `None` without receive stamps.
    pub fn own_share(&self) -> Option<f64> {
        (self.stamped_ns > 0).then(|| self.own_ns as f64 / self.stamped_ns as f64)
    }

    /// Jain's index of the replies of so many connections: 1 where all got the same. `None` before
    /// the first reply.
    pub fn jain(&self, connections: u64) -> Option<f64> {
        let (replies, of) = (self.replies as f64, connections.max(self.served) as f64);
        (self.squares > 0.0).then(|| (replies * replies / (of * self.squares)).min(1.0))
    }
}

impl AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        let Self { stamped_ns, own_ns, replies, squares, served } = other;
        self.stamped_ns = self.stamped_ns.saturating_add(*stamped_ns);
        self.own_ns = self.own_ns.saturating_add(*own_ns);
        self.replies = self.replies.saturating_add(*replies);
        self.squares += squares;
        self.served = self.served.saturating_add(*served);
    }
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// When, on the clock of the run; only differences have a meaning.
    pub at: Nanos,
    /// What is going on.
    pub phase: Phase,
    /// Until the measured window ends, where its length is known.
    pub left_ns: Option<Nanos>,
    /// Connections that are made, during set-up.
    pub established: u32,
    /// Requests of the window that have failed so far.
    pub failed: u64,
    /// Replies so far, those of the warm-up included.
    pub responses: Responses,
    /// What adds up over the window.
    pub sums: Sums,
}

impl Beat {
    pub(super) fn of(
        pulses: &[Arc<Pulse>],
        at: Nanos,
        phase: Phase,
        left_ns: Option<Nanos>,
    ) -> Self {
        let established = pulses.iter().map(|pulse| pulse.established.load(Ordering::Relaxed));
        let failed = pulses.iter().map(|pulse| pulse.failed.load(Ordering::Relaxed));
        let (established, failed) = (established.sum(), failed.sum());
        let mut sums = Sums::default();
        for pulse in pulses {
            sums += &pulse.sums();
        }
        Self { at, phase, left_ns, established, failed, responses: Responses::of(pulses), sums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_known_to_six_per_cent() {
        for ns in
            (0..60).map(|power| 1_u64 << power).flat_map(|ns| [ns, ns + ns / 3, ns * 2 - 1])
        {
            let told = greatest(bucket(ns));
            if ns < 3_600_000_000_000 {
                assert!(told >= ns && told <= ns + ns / 16, "{ns}: {told}");
            }
        }
    }

    #[test]
    fn a_look_shows_what_came_since_the_last_one() {
        let pulses = [Arc::new(Pulse::default()), Arc::new(Pulse::default())];
        let look = || Beat::of(&pulses, 0, Phase::WarmUp, None);
        assert_eq!(look().responses.quantile_ns(0.5), None);
        pulses[0].answered(99, 1000);
        let first = look();
        pulses[1].answered(9, 1_000_000);
        pulses[0].answered(1, 2_000_000);
        pulses[1].failed();
        for pulse in &pulses {
            pulse.established(3);
        }
        let second = look();
        let new = second.responses.since(&first.responses);
        assert_eq!((new.count(), second.failed, second.established), (10, 1, 6));
        let [p50, p99] = [0.5, 0.99].map(|quantile| new.quantile_ns(quantile).unwrap());
        assert!((1_000_000..1_063_000).contains(&p50), "{p50}");
        assert!((2_000_000..2_125_000).contains(&p99), "{p99}");
        assert_eq!(first.responses.since(&Responses::default()).count(), 99);
    }

    #[test]
    fn shares_and_fairness_are_those_of_all_replies_so_far() {
        let pulses = [Arc::new(Pulse::default()), Arc::new(Pulse::default())];
        let sums = || Beat::of(&pulses, 0, Phase::Window, None).sums;
        assert_eq!((sums().own_share(), sums().jain(2)), (None, None));
        // One connection of each thread: 3 and 1 replies, and two connections without any.
        pulses[0].served(0, 1);
        pulses[0].served(1, 2);
        pulses[1].served(0, 1);
        pulses[0].stamped(2, 100, 10);
        pulses[1].stamped(1, 200, 80);
        assert_eq!((sums().replies, sums().squares, sums().served), (4, 10.0, 2));
        assert_eq!(sums().own_share(), Some(0.25));
        assert_eq!((sums().jain(2), sums().jain(4)), (Some(0.8), Some(0.4)));
    }
}
