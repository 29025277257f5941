//! Order-statistic intervals of percentiles, for samples that need not be independent.
//!
//! Between which two order statistics the true quantile lies is a question of the binomial
//! distribution alone, whatever the distribution of the latencies (David and Nagaraja,
//! *Order Statistics*, 2003, section 7.1). Requests of one run are autocorrelated, so the
//! sample counts as a smaller, independent one; how much smaller is estimated by batch
//! means over the intervals of the run (Alexopoulos and Seila 1998).

use hdrhistogram::Histogram;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The chance that an interval misses the true value on either side.
const MISS: f64 = 0.025;

/// The 95 % interval of the `quantile`, as quantiles of a sample of `independent` values;
/// `None` if the sample has no order statistic that is high enough.
pub fn interval(quantile: f64, independent: u64) -> Option<(f64, f64)> {
    if independent < needed(quantile) {
        return None;
    }
    let below = Binomial::new(quantile, independent).ok()?;
    let low = below.inverse_cdf(MISS);
    let high = (below.inverse_cdf(1.0 - MISS) + 1).min(independent);
    let size = independent as f64;
    Some((low.max(1) as f64 / size, high as f64 / size))
}

/// How many independent values the interval of a quantile needs.
pub fn needed(quantile: f64) -> u64 {
    let tail = quantile.max(1.0 - quantile);
    (MISS.ln() / tail.ln()).ceil() as u64
}

/// Batches below which their spread says too little to be used.
const LEAST_BATCHES: usize = 5;

/// How many independent values say as much about the `quantile` as all of `whole`, given
/// the batches (intervals) that add up to it.
///
/// The share of a batch below the quantile varies by `q(1-q)/n` if its `n` values are
/// independent; by how much it varies more, the sample counts less. With fewer than
/// five batches nothing can be estimated and all values count.
pub fn independent(whole: &Histogram<u64>, batches: &[&Histogram<u64>], quantile: f64) -> u64 {
    let count = whole.len();
    let batches: Vec<_> = batches.iter().filter(|batch| !batch.is_empty()).collect();
    if batches.len() < LEAST_BATCHES || count == 0 {
        return count;
    }
    let value = whole.value_at_quantile(quantile);
    let share_below = |batch: &Histogram<u64>| batch.quantile_below(value).clamp(0.0, 1.0);
    // Values are grouped into buckets, so the share of the whole is not exactly the
    // quantile, and the deviations are taken from it.
    let share = share_below(whole);
    let expected = share * (1.0 - share);
    if expected <= 0.0 {
        return count;
    }
    let spread: f64 = batches
        .iter()
        .map(|batch| (share_below(batch) - share).powi(2) * batch.len() as f64)
        .sum::<f64>()
        / (batches.len() - 1) as f64;
    let inflation = (spread / expected).max(1.0);
    ((count as f64 / inflation) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for value in values {
            histogram.record(value).unwrap();
        }
        histogram
    }

    #[test]
    fn batches_that_differ_make_the_sample_count_less() {
        // Every batch alike: each holds the same 1,000 values.
        let alike: Vec<_> = (0..10).map(|_| histogram(1..=1000)).collect();
        let whole = histogram((0..10).flat_map(|_| 1..=1000));
        let refs: Vec<_> = alike.iter().collect();
        assert_eq!(independent(&whole, &refs, 0.9), 10_000);
        // Every batch at its own level.
        let apart: Vec<_> =
            (0..10).map(|k| histogram((1..=1000).map(|v| v + k * 1000))).collect();
        let whole = histogram((0..10).flat_map(|k| (1..=1000).map(move |v| v + k * 1000)));
        let refs: Vec<_> = apart.iter().collect();
        assert!(independent(&whole, &refs, 0.5) < 20);
    }
}
