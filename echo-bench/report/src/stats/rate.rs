//! How sure a rate ([`mean_interval`]) and a share ([`share_interval`]) are, of series that
//! need not be independent.

use statrs::function::beta::beta_reg;

use super::contrast;
use super::correlation::{self, LEAST_BATCHES};
use super::order::MISS;

/// The 95 % interval of the mean of a `series`, by batch means; `None` where it is too short for
/// how long it is correlated.
pub fn mean_interval(series: &[f64]) -> Option<[f64; 2]> {
    if series.len() < LEAST_BATCHES {
        return None;
    }
    let mean = series.iter().sum::<f64>() / series.len() as f64;
    let deviations: Vec<f64> = series.iter().map(|value| value - mean).collect();
    let cut = correlation::batches(&deviations).ok()?;
    let count = cut.count as f64;
    let sums = correlation::sums(&deviations, cut.count);
    let squares: f64 = sums.iter().map(|sum| sum.powi(2)).sum();
    let of_sum = squares * count / (count - 1.0) / (1.0 - cut.missing);
    let deviation = of_sum.sqrt() / series.len() as f64;
    let width = deviation * contrast::student_beyond(count - 1.0, MISS);
    Some([mean - width, mean + width])
}

/// The 95 % interval of a share of which `events` in `trials` are a sample (Clopper and Pearson,
/// *Biometrika* 26, 1934). Events that come together say less: the parts of the series, each
/// with its events and trials, tell by how much. `None` without trials.
pub fn share_interval(events: u64, trials: u64, parts: &[(f64, f64)]) -> Option<[f64; 2]> {
    share_interval_at(MISS, events, trials, parts)
}

/// The same interval that misses the share with the chance `miss` at either end.
pub(crate) fn share_interval_at(
    miss: f64,
    events: u64,
    trials: u64,
    parts: &[(f64, f64)],
) -> Option<[f64; 2]> {
    if trials == 0 {
        return None;
    }
    let share = events as f64 / trials as f64;
    let crowding = crowding(share, parts);
    let others = trials.saturating_sub(events) as f64;
    Some(interval_of(miss, events as f64 / crowding, others / crowding))
}

/// The 95 % interval of parts that are worth at most one trial each; `None` without parts.
pub fn share_interval_of_parts(parts: &[(f64, f64)]) -> Option<[f64; 2]> {
    let (events, trials) = parts
        .iter()
        .fold((0.0, 0.0), |(events, trials), part| (events + part.0, trials + part.1));
    if trials <= 0.0 {
        return None;
    }
    let share = events / trials;
    let worth = (trials / crowding(share, parts)).min(parts.len() as f64);
    Some(share_interval_of(share * worth, (1.0 - share) * worth))
}

/// The same of a sample that is worth so many `events` and so many `others`, whole or not.
pub fn share_interval_of(events: f64, others: f64) -> [f64; 2] {
    interval_of(MISS, events, others)
}

fn interval_of(miss: f64, events: f64, others: f64) -> [f64; 2] {
    let low =
        if events > 0.0 { root(|p| beta_reg(events, others + 1.0, p) - miss) } else { 0.0 };
    let high = if others > 0.0 {
        root(|p| beta_reg(events + 1.0, others, p) - (1.0 - miss))
    } else {
        1.0
    };
    [low, high]
}

/// By how much more the events of the parts vary than those that come by themselves.
fn crowding(share: f64, parts: &[(f64, f64)]) -> f64 {
    let trials: f64 = parts.iter().map(|(_, trials)| trials).sum();
    let expected = share * (1.0 - share) * trials;
    if parts.len() < 2 || expected <= 0.0 {
        return 1.0;
    }
    let squares: f64 =
        parts.iter().map(|(events, trials)| (events - share * trials).powi(2)).sum();
    let count = parts.len() as f64;
    (squares / expected * count / (count - 1.0)).max(1.0)
}

/// Where a function that rises from 0 to 1 passes 0.
fn root(rising: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if rising(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn a_share_has_the_interval_of_the_binomial_distribution() {
        // By tables: 0 of 100 is up to 3.6 %, 5 of 100 from 1.6 to 11.3 %.
        for (events, [low, high]) in
            [(0, [0.0, 0.0362]), (5, [0.0164, 0.1128]), (100, [0.9638, 1.0])]
        {
            let found = share_interval(events, 100, &[]).unwrap();
            assert!(
                (found[0] - low).abs() < 1e-4 && (found[1] - high).abs() < 1e-4,
                "{found:?}"
            );
        }
        assert_eq!(share_interval(0, 0, &[]), None);
        let [low, high] = share_interval(1_000_000, 1_000_000_000_000, &[]).unwrap();
        assert!(low < 1e-6 && high > 1e-6 && high - low < 1e-8, "{low} {high}");
    }

    #[test]
    fn errors_that_come_together_say_less() {
        let alike = [(10.0, 1000.0); 10];
        let mut together = [(0.0, 1000.0); 10];
        together[3] = (100.0, 1000.0);
        let [low, high] = share_interval(100, 10_000, &alike).unwrap();
        let [lower, higher] = share_interval(100, 10_000, &together).unwrap();
        assert!(low > 0.008 && high < 0.013, "{low} {high}");
        assert!(lower < 0.001 && higher > 0.05, "{lower} {higher}");
    }

    #[test]
    fn means_are_covered_with_and_without_autocorrelation() {
        for r in [0.0, 0.7] {
            let covered = (0..500).filter(|&seed| {
                let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
                let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
                let mut level = normal();
                let mut next = || {
                    level = r * level + (1.0_f64 - r * r).sqrt() * normal();
                    1000.0 + 50.0 * level
                };
                let series: Vec<f64> = (0..200).map(|_| next()).collect();
                mean_interval(&series).is_none_or(|[low, high]| low <= 1000.0 && 1000.0 <= high)
            });
            let covered = covered.count();
            assert!(covered >= 460, "{r}: {covered} of 500");
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let ramp: Vec<f64> = (0..200).map(|k| f64::from(k) + random.random::<f64>()).collect();
        assert_eq!(mean_interval(&ramp), None);
        assert_eq!(mean_interval(&[5.0; 9]), None);
        assert_eq!(mean_interval(&[5.0; 10]), Some([5.0, 5.0]));
    }
}
