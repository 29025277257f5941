//! Order-statistic intervals of percentiles.
//!
//! Between which two order statistics the true quantile lies is a question of the binomial
//! distribution alone, whatever the distribution of the latencies (David and Nagaraja,
//! *Order Statistics*, 2003, section 7.1). Requests of one run are autocorrelated, so the
//! sample counts as a smaller, independent one: see `effective`.

use super::contrast;

/// The chance that an interval misses the true value on either side.
pub(crate) const MISS: f64 = 0.025;

/// The normal deviate that is exceeded with the chance [`MISS`].
pub(super) const DEVIATE: f64 = 1.959_963_984_540_054;

/// Up to so many expected values beyond the quantile their distribution is added up term by
/// term. The first term is at least `e^-693` then, which a float still holds.
const EXACT: f64 = 500.0;

/// The 95 % interval of the `quantile`, as quantiles of a sample of `independent` values;
/// `None` if the sample is smaller than [`needed`].
pub fn interval(quantile: f64, independent: u64) -> Option<(f64, f64)> {
    let (low, high) = bounds(quantile, independent);
    low.zip(high)
}

/// Whether a sample that is too small lacks so little that its size says no more than that.
pub fn is_near(independent: u64, needed: u64) -> bool {
    independent + needed.div_ceil(10) >= needed
}

/// The ends of the [`interval`], each by itself: above how much of the sample, and below how
/// much of it, the true quantile lies with a confidence of 97.5 %. An end that would be
/// beyond the least or the greatest value is `None`.
pub fn bounds(quantile: f64, independent: u64) -> (Option<f64>, Option<f64>) {
    let size = independent as f64;
    let (low, high) = ranks(quantile, independent, MISS);
    (
        // In the middle of its share: the quotient may be rounded up to the next rank.
        (low >= 1).then(|| (low as f64 - 0.5) / size),
        (high <= independent).then(|| high as f64 / size),
    )
}

/// The ranks between which the quantile lies, from 1. A rank of 0 or above `count` is that of
/// no value.
fn ranks(quantile: f64, count: u64, miss: f64) -> (u64, u64) {
    if quantile > 0.5 {
        // The same question, asked from the other end.
        let (low, high) = ranks_of_rare(1.0 - quantile, count, miss);
        let mirrored = |rank: u64| (count - rank.min(count)).saturating_add(1);
        return (if high > count { 0 } else { mirrored(high) }, mirrored(low));
    }
    ranks_of_rare(quantile, count, miss)
}

/// As [`ranks`], for a quantile of at most a half.
fn ranks_of_rare(quantile: f64, count: u64, miss: f64) -> (u64, u64) {
    if count as f64 * quantile <= EXACT {
        exact_ranks(quantile, count, miss)
    } else {
        normal_ranks(quantile, count, miss)
    }
}

/// Adds up the binomial distribution. That takes as many steps as values are expected below
/// the quantile, and a few deviations more.
fn exact_ranks(quantile: f64, count: u64, miss: f64) -> (u64, u64) {
    let odds = quantile / (1.0 - quantile);
    let mut chance = (count as f64 * (-quantile).ln_1p()).exp();
    let (mut below, mut rank) = (chance, 0);
    let mut first_at_least = |share: f64| {
        while below < share && rank < count {
            chance *= (count - rank) as f64 / (rank + 1) as f64 * odds;
            below += chance;
            rank += 1;
        }
        rank
    };
    let low = first_at_least(miss);
    (low, first_at_least(1.0 - miss) + 1)
}

/// The normal approximation with the corrections for skewness and kurtosis (Cornish and
/// Fisher, *Revue de l'Institut International de Statistique* 5, 1938). Its error falls with
/// the size of the sample, and where [`exact_ranks`] takes over it is below one rank (a test
/// holds both against each other), so one rank on either side is on the safe side.
fn normal_ranks(quantile: f64, count: u64, miss: f64) -> (u64, u64) {
    let mean = count as f64 * quantile;
    let variance = mean * (1.0 - quantile);
    let deviation = variance.sqrt();
    let skewness = (1.0 - 2.0 * quantile) / deviation;
    let kurtosis = (1.0 - 6.0 * quantile * (1.0 - quantile)) / variance;
    let rank = |z: f64| {
        let skewed = skewness * (z.powi(2) - 1.0) / 6.0;
        let peaked = kurtosis * (z.powi(3) - 3.0 * z) / 24.0;
        let both = skewness.powi(2) * (2.0 * z.powi(3) - 5.0 * z) / 36.0;
        (mean + deviation * (z + skewed + peaked - both) - 0.5).ceil()
    };
    let deviate = contrast::student_beyond(f64::INFINITY, miss);
    ((rank(-deviate) - 1.0) as u64, (rank(deviate) as u64).saturating_add(2))
}

/// How many independent values the interval of a quantile needs.
pub fn needed(quantile: f64) -> u64 {
    let tail = quantile.max(1.0 - quantile);
    (MISS.ln() / tail.ln()).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::QUANTILES;
    use proptest::prelude::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    #[test]
    fn needs_as_many_values_as_the_tail_is_thin() {
        assert_eq!(needed(0.5), 6);
        assert_eq!(needed(0.9), 36);
        assert_eq!(needed(0.99), 368);
        assert_eq!(needed(0.999), 3688);
        assert_eq!(needed(0.9999), 36888 - 1);
        assert_eq!(interval(0.99, 367), None);
        assert!(interval(0.99, 368).is_some());
    }

    #[test]
    fn covers_the_quantile_and_shrinks_with_the_sample() {
        let (low, high) = interval(0.9, 1000).unwrap();
        assert!(low < 0.9 && high > 0.9);
        let (lower, higher) = interval(0.9, 100_000).unwrap();
        assert!(lower > low && higher < high);
    }

    #[test]
    fn large_samples_have_intervals_too() {
        // The first is the median of 100,000 requests per second for a quarter of an hour.
        for independent in [92_962_893, 1 << 32, 10_u64.pow(13), u64::MAX - 1, u64::MAX] {
            for known in QUANTILES {
                let (low, high) = interval(known.quantile, independent).unwrap();
                let deviation = (known.quantile * (1.0 - known.quantile)).sqrt();
                let half = 1.96 * deviation / (independent as f64).sqrt();
                let slack = 0.01 * half + 3.0 / independent as f64 + 1e-15;
                let close = |found: f64, expected: f64| (found - expected).abs() < slack;
                assert!(close(low, known.quantile - half), "{independent} {known:?} {low}");
                assert!(close(high, known.quantile + half), "{independent} {known:?} {high}");
            }
        }
    }

    #[test]
    fn the_ranks_added_up_are_those_of_the_distribution() {
        for (quantile, count) in [(0.5, 6), (0.1, 36), (0.5, 999), (0.01, 368), (0.001, 40_000)]
        {
            let (low, high) = exact_ranks(quantile, count, MISS);
            let below = Binomial::new(quantile, count).unwrap();
            assert!(below.cdf(low) >= MISS && below.cdf(low - 1) < MISS, "{quantile} {count}");
            let upper = [high - 1, high - 2].map(|rank| below.cdf(rank) >= 1.0 - MISS);
            assert_eq!(upper, [true, false], "{quantile} {count}");
        }
    }

    proptest! {
        #[test]
        fn the_approximation_is_on_the_safe_side_by_at_most_two_ranks(
            quantile in 1e-9..0.5_f64, expected in 250.0..EXACT,
        ) {
            let count = (expected / quantile) as u64;
            let (low, high) = exact_ranks(quantile, count, MISS);
            let (lower, higher) = normal_ranks(quantile, count, MISS);
            prop_assert!((low - 2..=low).contains(&lower), "{lower} {low}");
            prop_assert!((high..=high + 2).contains(&higher), "{high} {higher}");
        }

        #[test]
        fn any_quantile_of_any_sample_has_ends_in_order(quantile in 0.0..=1.0_f64, count: u64) {
            let (low, high) = bounds(quantile, count);
            prop_assert!(low.is_none_or(|low| (0.0..=1.0).contains(&low)));
            prop_assert!(high.is_none_or(|high| (0.0..=1.0).contains(&high)));
            prop_assert!(low.zip(high).is_none_or(|(low, high)| low <= high));
        }

        #[test]
        fn every_sample_has_an_interval_around_the_quantile_or_none(
            magnitude in 0.0..13.0_f64, place in 0..QUANTILES.len(),
        ) {
            let (independent, quantile) =
                (10_f64.powf(magnitude).round() as u64, QUANTILES[place].quantile);
            match interval(quantile, independent) {
                None => prop_assert!(independent < needed(quantile)),
                Some((low, high)) => {
                    prop_assert!(0.0 < low && low < high && high <= 1.0, "{low} {high}");
                    let slack = 1.0 / independent as f64;
                    prop_assert!(low <= quantile + slack && high >= quantile - slack);
                }
            }
        }
    }
}
