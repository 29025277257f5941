//! The bootstrap: how much statistics vary when their units (runs, or the intervals of a
//! run) are drawn again with replacement. Key function: [`replicates`]. Knows nothing of
//! what the units are; the same seed gives the same numbers on any number of cores.
//!
//! The evidence has two levels, runs and the intervals within them. Drawing whole runs
//! again already carries what happens inside them, and drawing intervals again on top of
//! that counts the inner variation twice (Davison and Hinkley, *Bootstrap Methods and
//! their Application*, 1997, section 3.8). So the two levels are drawn apart: runs with
//! all their intervals for the whole uncertainty, intervals within their fixed runs for the
//! part of it that longer runs would remove.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// How often to draw, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resampling {
    /// Draws.
    pub(crate) resamples: u32,
    /// Same seed, same draws.
    pub(crate) seed: u64,
}

/// What `evaluate` makes of each resample. It is given how often each unit was drawn; units
/// stand in order of their strata, and each stratum of the given size is drawn within itself.
pub(crate) fn replicates<T: Send>(
    strata: &[usize],
    resampling: Resampling,
    evaluate: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let units = strata.iter().sum();
    (0..resampling.resamples)
        .into_par_iter()
        .map_init(
            || vec![0; units],
            |drawn, resample| {
                draw(strata, seed_of(resampling.seed, resample), drawn);
                evaluate(drawn)
            },
        )
        .collect()
}

/// A stream of its own for each resample, so that the order of the work does not matter.
/// Seeding scrambles neighbouring seeds apart.
fn seed_of(seed: u64, resample: u32) -> u64 {
    seed.wrapping_add(resample.into())
}

fn draw(strata: &[usize], seed: u64, drawn: &mut [u32]) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    drawn.fill(0);
    let mut rest = drawn;
    for &size in strata {
        let (stratum, others) = rest.split_at_mut(size);
        for _ in 0..size {
            stratum[random.random_range(0..size)] += 1;
        }
        rest = others;
    }
}

/// The variance of `values`; `None` with fewer than two, or if one is no number: then the
/// statistic could not be had from every resample.
pub(crate) fn variance(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (values.len() > 1 && squares.is_finite()).then(|| squares / (count - 1.0))
}

/// How far each unit pulls the statistic away from its value: the covariance of the resampled
/// `values` with how often the unit was `drawn`. Their squares add up to the variance where
/// the statistic is a sum over units; and as the draws of one stratum have nothing to do with
/// chance in the units, pulls of two statistics add up to their covariance.
pub(crate) fn pulls<'a>(values: &[f64], drawn: impl Iterator<Item = &'a [u32]>) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let mut pulls = Vec::new();
    for (value, drawn) in values.iter().zip(drawn) {
        pulls.resize(drawn.len(), 0.0);
        for (pull, &times) in pulls.iter_mut().zip(drawn) {
            *pull += (value - mean) * (f64::from(times) - 1.0) / count;
        }
    }
    pulls
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: Resampling = Resampling { resamples: 4000, seed: 7 };

    #[test]
    fn the_variance_of_a_mean_is_that_of_theory() {
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let mean = |drawn: &[u32]| {
            drawn.iter().zip(&values).map(|(n, v)| f64::from(*n) * v).sum::<f64>() / 20.0
        };
        let found = variance(&replicates(&[20], DRAWS, mean)).unwrap();
        let theory = (20.0 * 20.0 - 1.0) / 12.0 / 20.0;
        assert!((found / theory - 1.0).abs() < 0.1, "{found} {theory}");
    }

    #[test]
    fn a_unit_pulls_a_sum_by_its_own_part() {
        let values = [1.0, 2.0, 6.0];
        let draws = replicates(&[3], DRAWS, <[u32]>::to_vec);
        let sum =
            |drawn: &Vec<u32>| drawn.iter().zip(values).map(|(n, v)| f64::from(*n) * v).sum();
        let sums: Vec<f64> = draws.iter().map(sum).collect();
        let pulls = pulls(&sums, draws.iter().map(Vec::as_slice));
        for (pull, value) in pulls.iter().zip(values) {
            assert!((pull - (value - 3.0)).abs() < 0.15, "{pulls:?}");
        }
    }

    #[test]
    fn every_stratum_keeps_its_size() {
        let sizes = replicates(&[3, 1, 5], DRAWS, |drawn| {
            let sum = |part: &[u32]| part.iter().sum::<u32>();
            [sum(&drawn[..3]), sum(&drawn[3..4]), sum(&drawn[4..])]
        });
        assert!(sizes.iter().all(|size| *size == [3, 1, 5]));
    }

    #[test]
    fn the_cores_do_not_matter_and_the_seed_does() {
        let draws = |threads: usize, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let resampling = Resampling { resamples: 100, seed };
            pool.install(|| replicates(&[50], resampling, <[u32]>::to_vec))
        };
        assert_eq!(draws(1, 3), draws(4, 3));
        assert_ne!(draws(2, 3), draws(2, 4));
    }

    #[test]
    fn a_statistic_that_some_resamples_lack_has_no_variance() {
        assert_eq!(variance(&[1.0]), None);
        assert_eq!(variance(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(variance(&[1.0, f64::NEG_INFINITY]), None);
        assert_eq!(variance(&[1.0, 3.0]), Some(2.0));
    }
}
