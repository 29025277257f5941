//! Over how long a series is correlated, and into how many batches it may be cut: [`batches`].
//!
//! The series is taken as noise plus a level that forgets itself with some correlation time
//! (an autoregressive process of first order). Both the time and the share of the level are
//! unknown, so every pair of them on a grid is weighed by how well it explains the
//! periodogram (Whittle, *Bulletin of the International Statistical Institute* 39, 1961).
//! A correlation at lag 1 would not do: noise hides it, and the sums of many values, which
//! matter, are correlated all the same.

use std::f64::consts::TAU;

/// Fewer batches say too little of how much they vary.
pub(crate) const LEAST_BATCHES: usize = 10;

/// More batches make an interval hardly narrower, and each of them shorter.
const MOST_BATCHES: usize = 20;

/// The share of the long-run variance that batches of five correlation times lack. The batches
/// of a series lack no more, whatever part of it is noise.
const MOST_MISSING: f64 = 0.2;

/// Correlation times that are weighed, from half a value to a quarter of the series.
const TIMES: usize = 12;
const SHORTEST_TIME: f64 = 0.5;
const LONGEST_TIME: f64 = 0.25;

/// Shares of the variance that a level may have.
const SHARES: [f64; 8] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0];

/// How much more likely pure noise is beforehand than each other pair.
const NOISE: f64 = 20.0;

/// Batches of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Batches {
    /// How many.
    pub(crate) count: usize,
    /// The share of the long-run variance that is lacking in the variance of their sums.
    pub(crate) missing: f64,
}

/// As many batches as are long enough: at least five correlation times each. `Err` if not
/// even [`LEAST_BATCHES`] are; it holds those all the same.
///
/// # Errors
/// The series is too short for its correlation time.
pub(crate) fn batches(series: &[f64]) -> Result<Batches, Batches> {
    let squares: f64 = series.iter().map(|value| value.powi(2)).sum();
    let most = MOST_BATCHES.min(series.len());
    if squares <= 0.0 || series.len() < LEAST_BATCHES {
        return Ok(Batches { count: most, missing: 0.0 });
    }
    let models = weighed(series);
    let of = |count: usize| {
        let length = series.len() as f64 / count as f64;
        let missing = models.iter().map(|(model, weight)| weight * model.missing(length)).sum();
        Batches { count, missing }
    };
    let fine = |batches: &Batches| batches.missing <= MOST_MISSING;
    (LEAST_BATCHES..=most).rev().map(of).find(fine).ok_or_else(|| of(LEAST_BATCHES))
}

/// Over how long a series is correlated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    /// Its correlation time, in values; 0 if it is more likely noise.
    pub(crate) time: f64,
    /// The length of batches that lack no more of the variance than they may, in values.
    pub(crate) batch: f64,
}

/// Over how long a series is correlated, as far as it is long enough to tell.
pub(crate) fn memory(series: &[f64]) -> Memory {
    let squares: f64 = series.iter().map(|value| value.powi(2)).sum();
    if squares <= 0.0 || series.len() < LEAST_BATCHES {
        return Memory { time: 0.0, batch: 1.0 };
    }
    let models = weighed(series);
    let levels = || models.iter().filter(|(model, _)| model.share > 0.0);
    let likely: f64 = levels().map(|(_, weight)| weight).sum();
    let time: f64 = levels().map(|(model, weight)| model.time * weight).sum();
    let missing = |length: f64| -> f64 {
        models.iter().map(|(model, weight)| weight * model.missing(length)).sum()
    };
    let mut batch = 1.0;
    while missing(batch) > MOST_MISSING && batch < 1e6 {
        batch *= 1.1;
    }
    Memory { time: if likely > 0.5 { time / likely } else { 0.0 }, batch }
}

/// `count` sums of neighbours, of nearly equal lengths.
pub(super) fn sums(values: &[f64], count: usize) -> Vec<f64> {
    let end = |batch: usize| batch * values.len() / count;
    (0..count).map(|batch| values[end(batch)..end(batch + 1)].iter().sum()).collect()
}

/// Noise and a level.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// Correlation time of the level, in values.
    time: f64,
    /// Its share of the variance.
    share: f64,
}

impl Model {
    /// Its spectrum where the cosine of the frequency is this; of variance 1.
    fn spectrum(self, cosine: f64) -> f64 {
        let r = (-1.0 / self.time).exp();
        1.0 - self.share + self.share * (1.0 - r * r) / (1.0 - 2.0 * r * cosine + r * r)
    }

    /// The share of the long-run variance that batches of `length` values lack.
    fn missing(self, length: f64) -> f64 {
        let (noise, level) = (1.0 - self.share, self.spectrum(1.0) - (1.0 - self.share));
        let lost = self.time / length * (1.0 - (-length / self.time).exp());
        level * lost / (noise + level)
    }
}

/// Every model with its weight; the weights add up to 1.
fn weighed(series: &[f64]) -> Vec<(Model, f64)> {
    let (cosines, powers) = periodogram(series);
    let ordinates = powers.len() as f64;
    let longest = series.len() as f64 * LONGEST_TIME / SHORTEST_TIME;
    let mut models: Vec<(Model, f64)> = Vec::with_capacity(TIMES * SHARES.len());
    for place in 0..TIMES {
        let time = SHORTEST_TIME * longest.powf(place as f64 / (TIMES - 1) as f64);
        for share in SHARES {
            let model = Model { time, share };
            let (mut scale, mut logs) = (0.0, 0.0);
            for (cosine, power) in cosines.iter().zip(&powers) {
                let expected = model.spectrum(*cosine);
                scale += power / expected;
                logs += expected.ln();
            }
            let beforehand = if share > 0.0 { 0.0 } else { NOISE.ln() };
            models.push((model, beforehand - ordinates * (scale / ordinates).ln() - logs));
        }
    }
    let best = models.iter().map(|(_, log)| *log).fold(f64::MIN, f64::max);
    let all: f64 = models.iter().map(|(_, log)| (log - best).exp()).sum();
    models.into_iter().map(|(model, log)| (model, (log - best).exp() / all)).collect()
}

/// The cosines of the frequencies between the constant and the fastest, and the power of the
/// series at each.
fn periodogram(series: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let count = series.len();
    let turn: Vec<(f64, f64)> =
        (0..count).map(|k| (TAU * k as f64 / count as f64).sin_cos()).collect();
    let mean = series.iter().sum::<f64>() / count as f64;
    let power = |frequency: usize| {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (place, value) in series.iter().enumerate() {
            let (s, c) = turn[place * frequency % count];
            sine += (value - mean) * s;
            cosine += (value - mean) * c;
        }
        // No power at all would be certainty.
        (sine * sine + cosine * cosine).max(f64::MIN_POSITIVE)
    };
    let frequencies = 1..=(count - 1) / 2;
    frequencies.map(|frequency| (turn[frequency].1, power(frequency))).unzip()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// `count` values of a level with this correlation time under this much noise.
    fn series(count: usize, time: f64, noise: f64, seed: u64) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let r = (-1.0 / time).exp();
        let mut level = normal();
        let mut next = || {
            level = r * level + (1.0 - r * r).sqrt() * normal();
            level + noise * normal()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn noise_may_be_cut_into_many_batches_and_a_slow_level_into_none() {
        let cut = |time, noise| {
            let all = (0..50).map(|seed| batches(&series(200, time, noise, seed)));
            all.flatten().count()
        };
        assert!(cut(0.01, 1.0) >= 45, "{}", cut(0.01, 1.0));
        // Noise of three times the variance does not hide it, but for a few times.
        for (noise, hidden) in [(0.0, 0), (1.0, 2), (1.7, 10)] {
            assert!(cut(20.0, noise) <= hidden, "{noise}: {}", cut(20.0, noise));
        }
    }

    #[test]
    fn batches_are_of_about_five_correlation_times() {
        let cut = batches(&series(240, 3.0, 0.0, 1)).unwrap();
        let times = 240.0 / cut.count as f64 / 3.0;
        assert!((3.5..8.0).contains(&times), "{cut:?}");
    }

    #[test]
    fn what_never_varies_or_is_short_is_no_reason_to_fail() {
        for series in [&[0.0; 50][..], &[], &[1.0], &[0.0; 9]] {
            assert!(batches(series).is_ok());
        }
        assert!(batches(&[1.0; 30]).is_ok(), "a constant has no power");
        assert!(batches(&[-1.0, 1.0].repeat(20)).is_ok());
    }
}
