//! Sizes of messages by a distribution or a histogram: [`SizeTable`]. Pure: seed, connection and
//! request give the size, as they give the text.
//!
//! A table of ranges of sizes is built once. A message draws a range by the alias method, and a
//! size within it evenly: three random words, two look-ups, no arithmetic with fractions. Ranges
//! hold one size each below 128 bytes, and at most 1/64 more than their least size above.

use rand::{Rng as _, SeedableRng as _};
use rand_distr::Distribution as _;
use rand_distr::weighted::WeightedAliasIndex;
use rand_xoshiro::SplitMix64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, LogNormal, Normal};

use super::histogram::{Bin, Histogram};
use super::size::{Law, Spread};
use super::stamp::scramble;
use crate::fingerprint;

/// Messages whose sizes a plan sums up.
const SUMMED_UP: u64 = 1 << 16;

/// The weight of a range that all messages fall into: what rounding differs by from machine to
/// machine does not show in it.
const WHOLE: f64 = (1u64 << 44) as f64;

/// Which size a message has: the same for the same seed, connection and request.
pub struct SizeTable {
    /// The least size of each range, and how many sizes it holds.
    ranges: Vec<(u32, u32)>,
    choice: WeightedAliasIndex<u64>,
    seed: u64,
    clipped_share: f64,
}

/// A sample of the sizes of a plan: those drawn for its first messages, as if its connections sent
/// them in turn. A run that sends fewer messages sends a part of them; its percentiles differ from
/// those of the distribution as those of any sample do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrawnSizes {
    /// How many messages the sample is of.
    pub messages: u64,
    /// Their median.
    pub p50_bytes: usize,
    /// Their 99th percentile.
    pub p99_bytes: usize,
    /// The largest.
    pub max_bytes: usize,
    /// Their mean.
    pub mean_bytes: f64,
    /// Share of all messages, from 0 to 1, that the distribution puts outside the limits: they
    /// have the size of the nearer limit.
    pub clipped_share: f64,
    /// Fingerprint of these sizes.
    pub digest: String,
}

impl SizeTable {
    /// Sizes by a distribution, from `min` to `max`.
    pub(crate) fn of_spread(spread: &Spread, min: usize, max: usize, seed: u64) -> Self {
        let (weighted, clipped_share) = match spread.law() {
            Law::Lognormal { median, p99 } => lognormal(median, p99, min, max),
            Law::Zipf { exponent } => (zipf(exponent, min, max), 0.0),
        };
        Self::new(&weighted, clipped_share, seed)
    }

    /// Sizes as often as in a histogram.
    pub(crate) fn of_histogram(histogram: &Histogram, seed: u64) -> Self {
        let weighted = |bin: &Bin| ((bin.min_bytes, bin.max_bytes), bin.weight);
        let weighted: Vec<_> = histogram.bins().iter().map(weighted).collect();
        Self::new(&weighted, 0.0, seed)
    }

    fn new(weighted: &[((usize, usize), f64)], clipped_share: f64, seed: u64) -> Self {
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        // What may occur does, however rarely.
        let whole = |weight: f64| ((weight / total * WHOLE).round() as u64).max(1);
        let possible = weighted.iter().filter(|(_, weight)| *weight > 0.0);
        let (ranges, weights) = possible
            .map(|&((min, max), weight)| ((min as u32, (max - min + 1) as u32), whole(weight)))
            .unzip();
        let choice = WeightedAliasIndex::new(weights).expect(
            "a distribution or histogram has a size, and weights are far below the limit",
        );
        // Neighbouring seeds would permute the sizes of the same messages.
        Self { ranges, choice, seed: scramble(seed), clipped_share }
    }

    /// The size of request `request` of `connection`.
    #[inline]
    pub(super) fn size(&self, connection: u32, request: u64) -> usize {
        let state = self.seed ^ u64::from(connection) << 40 ^ request;
        let mut random = SplitMix64::from_seed(state.to_le_bytes());
        let (least, sizes) = self.ranges[self.choice.sample(&mut random)];
        let within = (u64::from(random.next_u32()) * u64::from(sizes)) >> 32;
        least as usize + within as usize
    }

    /// What is drawn for the first messages of so many connections.
    pub(crate) fn drawn(&self, connections: u32) -> DrawnSizes {
        let connections = u64::from(connections.max(1));
        let size = |n: u64| self.size((n % connections) as u32, n / connections);
        let mut sizes: Vec<usize> = (0..SUMMED_UP).map(size).collect();
        let bytes = sizes.iter().flat_map(|&size| (size as u64).to_le_bytes());
        let digest = fingerprint::digest(bytes);
        sizes.sort_unstable();
        let percentile = |share: f64| {
            let rank = (sizes.len() as f64 * share).ceil() as usize;
            sizes[rank.clamp(1, sizes.len()) - 1]
        };
        DrawnSizes {
            messages: SUMMED_UP,
            p50_bytes: percentile(0.5),
            p99_bytes: percentile(0.99),
            max_bytes: percentile(1.0),
            mean_bytes: sizes.iter().map(|&size| size as f64).sum::<f64>() / sizes.len() as f64,
            clipped_share: self.clipped_share,
            digest,
        }
    }
}

impl std::fmt::Debug for SizeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SizeTable").field("ranges", &self.ranges.len()).finish_non_exhaustive()
    }
}

/// The sizes from `min` to `max` in ranges.
fn ranges(min: usize, max: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = move |least: usize| (least + (least / 64).saturating_sub(1)).min(max);
    let first = (min <= max).then(|| (min, end(min)));
    std::iter::successors(first, move |&(_, before)| {
        (before < max).then(|| (before + 1, end(before + 1)))
    })
}

/// A range of sizes, from and to, and its weight.
type Weighted = ((usize, usize), f64);

/// Ranges with the probability of each, and that of all sizes outside, which go to the ends.
fn lognormal(median: usize, p99: usize, min: usize, max: usize) -> (Vec<Weighted>, f64) {
    let (location, to_p99) = ((median as f64).ln(), (p99 as f64).ln());
    let scale = (to_p99 - location) / Normal::standard().inverse_cdf(0.99);
    let law = LogNormal::new(location, scale).expect("a stored p99 lies above its median");
    let below = law.cdf(min as f64 - 0.5);
    let above = law.sf(max as f64 + 0.5);
    let inside = ranges(min, max).map(|(least, most)| {
        // By the nearer tail, where numbers are small and exact.
        let (from, to) = (least as f64 - 0.5, most as f64 + 0.5);
        let weight = if least > median {
            law.sf(from) - law.sf(to)
        } else {
            law.cdf(to) - law.cdf(from)
        };
        ((least, most), weight)
    });
    let ends = [((min, min), below), ((max, max), above)];
    (inside.chain(ends).collect(), below + above)
}

/// Ranges with a weight each: the sum of 1 / k^exponent over the sizes k in it.
fn zipf(exponent: f64, min: usize, max: usize) -> Vec<Weighted> {
    let weight = |(least, most): (usize, usize)| {
        if least == most {
            return (least as f64).powf(-exponent);
        }
        // The integral from half a size below to half a size above differs from the sum by less
        // than one part in a thousand where ranges are wider than a size.
        let (from, to) = (least as f64 - 0.5, most as f64 + 0.5);
        let (power, width) = (1.0 - exponent, (to / from).ln());
        let growth = if power.abs() < 1e-9 { width } else { (power * width).exp_m1() / power };
        from.powf(power) * growth
    };
    ranges(min.max(1), max.max(1)).map(|range| (range, weight(range))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::distribution::{Binomial, DiscreteCDF as _};

    use super::*;

    const DRAWS: u64 = 100_000;

    fn sizes(table: &SizeTable) -> Vec<usize> {
        let mut sizes: Vec<_> = (0..DRAWS).map(|n| table.size((n % 7) as u32, n / 7)).collect();
        sizes.sort_unstable();
        sizes
    }

    fn table(spread: &str, (min, max): (usize, usize), seed: u64) -> SizeTable {
        SizeTable::of_spread(&spread.parse().unwrap(), min, max, seed)
    }

    /// Checks that as many sizes are up to `size` as a `share` of all explains.
    fn check(sizes: &[usize], size: usize, share: f64) {
        let seen = sizes.partition_point(|&drawn| drawn <= size) as u64;
        let law = Binomial::new(share, DRAWS).unwrap();
        let (low, high) = (law.cdf(seen), law.sf(seen.saturating_sub(1)));
        let expected = share * DRAWS as f64;
        assert!(low.min(high) > 1e-5, "up to {size}: {seen} of {DRAWS}, expected {expected}");
    }

    #[test]
    fn a_lognormal_has_its_closed_form() {
        const Z99: f64 = 2.326_347_874_040_841;
        for (median, p99) in [(300, 20_480), (1000, 1100), (20, 70_000), (100_000, 900_000)] {
            let bounds = (1, 1 << 30);
            let table = table(&format!("lognormal:median={median},p99={p99}"), bounds, 5);
            let sizes = sizes(&table);
            let scale = (f64::from(p99) / f64::from(median)).ln() / Z99;
            let normal = Normal::standard();
            for deviations in [-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.0, Z99, 3.0, 3.5] {
                let size = (f64::from(median) * (scale * deviations).exp()).max(1.0) as usize;
                // The sizes up to this one are those below half a byte more.
                let z = ((size as f64 + 0.5) / f64::from(median)).ln() / scale;
                check(&sizes, size, normal.cdf(z));
            }
        }
    }

    #[test]
    fn a_zipf_has_its_closed_form() {
        for (exponent, min, max) in
            [(1.1, 1, 65_536), (1.0, 12, 4096), (2.5, 1, 1 << 20), (0.3, 64, 9999)]
        {
            let zipf = format!("zipf:exponent={exponent},max={max}");
            let sizes = sizes(&table(&zipf, (min, max), 9));
            let weight = |size: usize| (size as f64).powf(-exponent);
            let total: f64 = (min..=max).map(weight).sum();
            for size in [min, min + 1, min + 5, min * 3, (min + max) / 3, max - 1] {
                let up_to: f64 = (min..=size).map(weight).sum();
                check(&sizes, size, up_to / total);
            }
        }
    }

    #[test]
    fn a_histogram_is_drawn_as_it_is() {
        let text = "0 1\n64 70\n100-199 20\n5000 8.9\n60000 0.1\n";
        let histogram = Histogram::read("f", text).unwrap();
        let sizes = sizes(&SizeTable::of_histogram(&histogram, 3));
        for (size, percent) in
            [(0, 1.0), (64, 71.0), (149, 81.0), (199, 91.0), (5000, 99.9), (59_999, 99.9)]
        {
            check(&sizes, size, percent / 100.0);
        }
        let possible =
            |size: &usize| [0, 64, 5000, 60_000].contains(size) || (100..200).contains(size);
        assert!(sizes.iter().all(possible));
    }

    #[test]
    fn sizes_outside_the_limits_are_set_to_them() {
        let spread = "lognormal:median=300,p99=20K";
        let table = table(spread, (100, 30_000), 1);
        let sizes = sizes(&table);
        let normal = Normal::standard();
        let z = |size: f64| (size / 300.0).ln() / ((20_480.0f64 / 300.0).ln() / 2.326_347_874);
        check(&sizes, 100, normal.cdf(z(100.5)));
        check(&sizes, 29_999, normal.cdf(z(29_999.5)));
        let clipped = normal.cdf(z(99.5)) + normal.sf(z(30_000.5));
        let drawn = table.drawn(7);
        assert!((drawn.clipped_share - clipped).abs() < 1e-6, "{drawn:?} {clipped}");
        assert_eq!((sizes[0], sizes[sizes.len() - 1]), (100, 30_000));
    }

    #[test]
    fn the_drawn_sizes_are_those_of_the_messages() {
        let table = table("zipf:exponent=1,max=5000", (1, 5000), 8);
        let drawn = table.drawn(3);
        let mut sizes: Vec<usize> =
            (0..drawn.messages).map(|n| table.size((n % 3) as u32, n / 3)).collect();
        sizes.sort_unstable();
        let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
        assert_eq!((drawn.p50_bytes, drawn.p99_bytes), (sizes[32_767], sizes[64_880]));
        assert_eq!(drawn.max_bytes, sizes[65_535]);
        assert!((drawn.mean_bytes - mean).abs() < 1e-6);
    }

    #[test]
    fn the_same_seed_gives_the_same_sizes_for_ever() {
        let digest =
            |seed| table("lognormal:median=300,p99=20K", (1, 65_536), seed).drawn(10).digest;
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
        assert_eq!(digest(1), "a0c741758dcfa245");
    }

    proptest! {
        #[test]
        fn ranges_hold_each_size_once(min in 0usize..3000, more in 0usize..200_000) {
            let max = min + more;
            let mut next = min;
            for (least, most) in ranges(min, max) {
                prop_assert_eq!(least, next);
                prop_assert!(most >= least && (most == least || (most - least) * 64 < least));
                next = most + 1;
            }
            prop_assert_eq!(next, max + 1);
        }

        #[test]
        fn no_size_is_out_of_bounds(
            min in 1usize..300, more in 0usize..1 << 20, seed: u64, connection in 0u32..1 << 24,
            exponent in 0.01f64..10.0, median in 1usize..2000, above in 1usize..1 << 22,
        ) {
            let max = min + more;
            let laws = [
                format!("zipf:exponent={exponent},max={max}"),
                format!("lognormal:median={median},p99={}", median + above),
            ];
            for law in laws {
                let table = table(&law, (min, max), seed);
                for request in 0..200 {
                    let size = table.size(connection, request);
                    prop_assert!((min..=max).contains(&size), "{} {}", law, size);
                    prop_assert_eq!(size, table.size(connection, request));
                }
            }
        }
    }
}
