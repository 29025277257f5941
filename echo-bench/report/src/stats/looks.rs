//! When a run may end because its answer is sharp enough: [`Looks`]. Who looks again and again
//! and stops as soon as an interval is narrow stops most often where it is narrow by accident.
//! So the looks are fixed beforehand, and each one's interval is wider: it has its share of
//! the chance to miss (Bonferroni's correction), so that the interval at which the run stops
//! holds the truth as often as is said, whichever look it was.
//!
//! The widening is expressed as a smaller effective sample size ([`worth`]), as other things
//! are that a sample can't say: so all that is derived from it accounts for the looks.

use super::{contrast, order};

/// How often a run is looked at.
const LOOKS: u32 = 5;

/// What so many independent values are worth in a run that is looked at: their 95 % interval
/// is as wide as that of all of them with a look's share of the chance to miss.
pub fn worth(independent: u64) -> u64 {
    (independent as f64 / price()) as u64
}

/// The chance with which the interval of a look misses the truth at either end.
pub(crate) fn miss() -> f64 {
    order::MISS / f64::from(LOOKS)
}

/// How many deviations of a normal value that is.
pub(crate) fn deviations() -> f64 {
    contrast::student_beyond(f64::INFINITY, miss())
}

/// By how many times more values a run that is looked at needs.
pub(crate) fn price() -> f64 {
    (deviations() / order::DEVIATE).powi(2)
}

/// How far the farther end of an interval lies from the value, as a share of that.
pub fn half_width(value: u64, ends: [u64; 2]) -> f64 {
    let far = ends.map(|end| end.abs_diff(value)).into_iter().fold(0, u64::max);
    far as f64 / value as f64
}

/// The looks at a run of at most a given length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    quantile: f64,
    within: f64,
}

/// What a look comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The interval of the quantile, which holds the truth with 95 % whichever look ends the
    /// run; `None` if the sample is too small.
    pub interval: Option<[u64; 2]>,
    /// Whether it is narrow enough for the run to end.
    pub is_enough: bool,
}

impl Looks {
    /// Looks at a `quantile` until it is known to within this share of it, either way.
    pub fn new(quantile: f64, within: f64) -> Self {
        Self { quantile, within }
    }

    /// When to look, as shares of the greatest length: each time the sample has grown by the
    /// same factor. The last look is at the end, whatever it shows.
    pub fn times() -> impl Iterator<Item = f64> {
        (0..LOOKS).rev().map(|before_the_end| 0.5_f64.powi(before_the_end.cast_signed()))
    }

    /// Looks at a sample that is worth so many `independent` values, whose quantiles are `at`.
    pub fn look(&self, independent: u64, at: impl Fn(f64) -> u64) -> Look {
        let ranks = order::interval(self.quantile, worth(independent));
        let interval = ranks.map(|(low, high)| [at(low), at(high)]);
        let value = at(self.quantile);
        let is_near = |ends| value > 0 && half_width(value, ends) <= self.within;
        Look { interval, is_enough: interval.is_some_and(is_near) }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rayon::prelude::*;
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    #[test]
    fn looks_are_spread_and_the_last_is_at_the_end() {
        let times: Vec<f64> = Looks::times().collect();
        assert_eq!(times, [0.0625, 0.125, 0.25, 0.5, 1.0]);
    }

    /// Of 1,000 runs of up to `most` values that end when the quantile is known to `within`: how
    /// many miss the truth, and how many ended before the end.
    fn stopped(quantile: f64, within: f64, most: usize) -> (usize, usize) {
        let one = |seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut draw = || -> f64 { StandardNormal.sample(&mut random) };
            let values: Vec<u64> =
                (0..most).map(|_| (1e6 * (0.3 * draw()).exp()) as u64).collect();
            let mut last = None;
            for time in Looks::times() {
                let seen = &mut values[..(time * most as f64) as usize].to_vec();
                seen.sort_unstable();
                let at =
                    |share: f64| seen[((share * seen.len() as f64).ceil() as usize).max(1) - 1];
                let look = Looks::new(quantile, within).look(seen.len() as u64, at);
                last = Some((look, time));
                if look.is_enough {
                    break;
                }
            }
            last
        };
        let truth = 1e6 * Normal::new(0.0, 0.3).unwrap().inverse_cdf(quantile).exp();
        let ends: Vec<_> = (0..1000).into_par_iter().filter_map(one).collect();
        let is_off = |[low, high]: [u64; 2]| truth < low as f64 || truth > high as f64 + 1.0;
        let missed = ends.iter().filter(|(look, _)| look.interval.is_some_and(is_off)).count();
        (missed, ends.iter().filter(|(_, time)| *time < 1.0).count())
    }

    #[test]
    fn the_interval_at_which_a_run_stops_holds_the_truth() {
        for (quantile, within) in
            [(0.5, 0.02), (0.5, 0.03), (0.9, 0.03), (0.99, 0.08), (0.99, 0.12)]
        {
            let (missed, early) = stopped(quantile, within, 20_000);
            assert!(missed <= 50, "{quantile} within {within}: {missed} of 1000 miss");
            assert!(early > 300, "{quantile} within {within}: {early} of 1000 end early");
        }
    }

    #[test]
    fn a_sample_that_is_too_small_is_never_enough() {
        let look = Looks::new(0.99, 0.5).look(400, |_| 1_000_000);
        assert_eq!(look, Look { interval: None, is_enough: false }, "400 do at 95 %, not here");
        assert!(Looks::new(0.99, 0.5).look(1000, |_| 1_000_000).is_enough);
    }
}
