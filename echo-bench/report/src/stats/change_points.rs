//! Where a series changes its level: [`change_points`], by E-divisive means (Matteson and James,
//! "A nonparametric approach for multiple change point analysis of multivariate data", JASA 109,
//! 2014), which `MongoDB` uses on the results of its continuous integration (Daly and others, "The
//! use of change point detection to identify software performance regressions", ICPE 2020).
//!
//! The place that sets the two sides furthest apart by their energy distance is a change if it
//! does so more than in nearly all random orders of the same values; then each side is looked at
//! by itself. It asks for no distribution, and a single outlier is no change. A series that
//! drifts, or whose neighbours are alike for other reasons, is not one that random orders stand
//! for: there it finds too much.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

/// Values on either side of a change, at least: of fewer nobody could tell it from an outlier.
pub(crate) const LEAST: usize = 3;

/// Random orders that are drawn before it is asked whether more could make a place a change.
const BATCH: u32 = 100;

/// A place where the level changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChangePoint {
    /// The first value of the new level.
    pub(crate) at: usize,
    /// The chance of such a place in a series without changes.
    pub(crate) p: f64,
}

/// How to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Search {
    /// The chance of finding a change in a series that has none.
    pub(crate) level: f64,
    /// Random orders that a place is held against.
    pub(crate) orders: u32,
    /// Same seed, same orders.
    pub(crate) seed: u64,
}

/// The changes of a series, in its order. The first is asked for at the level, and others only
/// where one was found, so that a series without changes has one at that chance.
pub(crate) fn change_points(values: &[f64], search: Search) -> Vec<ChangePoint> {
    let mut found = Vec::new();
    let mut open = vec![(0, values.len())];
    while let Some((from, to)) = open.pop() {
        let Some(change) = change_in(&values[from..to], search) else { continue };
        let at = from + change.at;
        found.push(ChangePoint { at, ..change });
        open.extend([(from, at), (at, to)]);
    }
    found.sort_by_key(|change| change.at);
    found
}

/// The greatest change of a piece, if it is one.
fn change_in(values: &[f64], search: Search) -> Option<ChangePoint> {
    let (at, greatest) = best_split(values)?;
    let is_as_great = |order: u32| {
        let mut random =
            Xoshiro256PlusPlus::seed_from_u64(search.seed.wrapping_add(order.into()));
        let mut drawn = values.to_vec();
        drawn.shuffle(&mut random);
        let split = best_split(&drawn);
        // Rounding must not make a place rarer than its own order.
        split.is_some_and(|(_, score)| score >= greatest * (1.0 - 1e-9))
    };
    let p = |as_great: u32| f64::from(as_great + 1) / f64::from(search.orders + 1);
    let (mut drawn, mut as_great) = (0, 0);
    // Most places are no change, which the first orders show.
    while drawn < search.orders && p(as_great) <= search.level {
        let end = search.orders.min(drawn + BATCH);
        let batch = (drawn..end).into_par_iter();
        as_great += batch.map(|order| u32::from(is_as_great(order))).sum::<u32>();
        drawn = end;
    }
    let p = p(as_great);
    (p <= search.level).then_some(ChangePoint { at, p })
}

/// The place with the greatest energy distance between both sides, weighted by their sizes, and
/// that distance; none in a series that is too short or has one value only.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let all = values.len();
    if all < 2 * LEAST {
        return None;
    }
    let distances =
        |of: f64, others: &[f64]| others.iter().map(|to| (to - of).abs()).sum::<f64>();
    // Sums over pairs: within the left side, within the right one, and between them.
    let (mut left, mut between) = (0.0, 0.0);
    let mut right: f64 = (0..all).map(|at| distances(values[at], &values[at + 1..])).sum();
    let mut best: Option<(usize, f64)> = None;
    for at in 0..all - LEAST {
        // This value changes sides.
        let (to_left, to_right) =
            (distances(values[at], &values[..at]), distances(values[at], &values[at + 1..]));
        left += to_left;
        right -= to_right;
        between += to_right - to_left;
        let (n, m) = ((at + 1) as f64, (all - at - 1) as f64);
        if at + 1 < LEAST {
            continue;
        }
        let within = |sum: f64, of: f64| 2.0 * sum / (of * (of - 1.0));
        let energy = 2.0 * between / (n * m) - within(left, n) - within(right, m);
        let score = energy * n * m / (n + m);
        if score > 1e-12 && best.is_none_or(|(_, known)| score > known) {
            best = Some((at + 1, score));
        }
    }
    best
}

/// A seed for a series, so that series do not share their orders.
pub(crate) fn seed_of(series: usize) -> u64 {
    Xoshiro256PlusPlus::seed_from_u64(series as u64).random()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search { level: 0.05, orders: 199, seed: 7 };

    fn noise(seed: u64, length: usize) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..length).map(|_| (0..6).map(|_| random.random::<f64>()).sum::<f64>() / 6.0).collect()
    }

    fn places(values: &[f64]) -> Vec<usize> {
        change_points(values, SEARCH).iter().map(|change| change.at).collect()
    }

    #[test]
    fn levels_are_found_where_they_begin() {
        let mut values = noise(1, 30);
        values[10..].iter_mut().for_each(|value| *value += 3.0);
        values[20..].iter_mut().for_each(|value| *value -= 6.0);
        assert_eq!(places(&values), [10, 20]);
    }

    #[test]
    fn an_outlier_is_no_change_and_neither_are_equal_values() {
        let mut values = noise(2, 20);
        values[9] += 100.0;
        assert_eq!(places(&values), [0; 0]);
        assert_eq!(places(&[1.0; 20]), [0; 0]);
        assert_eq!(places(&[]), [0; 0]);
        assert_eq!(places(&[1.0, 2.0, 3.0, 4.0, 5.0]), [0; 0]);
    }

    /// The promise: a series without changes has one in at most 5 % of cases.
    #[test]
    fn noise_has_changes_as_seldom_as_promised() {
        let alarms =
            (0..200).filter(|&seed| !places(&noise(seed + 100, 24)).is_empty()).count();
        // 10 are expected; the chance of more than 20 is below 0.1 %.
        assert!(alarms <= 20, "{alarms} of 200");
    }

    #[test]
    fn the_running_sums_are_the_energy_distance() {
        let values = noise(3, 12);
        let (at, score) = best_split(&values).unwrap();
        let direct = |at: usize| {
            let (left, right) = values.split_at(at);
            let mean = |of: &[f64], to: &[f64], pairs: f64| {
                let sum =
                    of.iter().flat_map(|a| to.iter().map(move |b| (a - b).abs())).sum::<f64>();
                sum / pairs
            };
            let (n, m) = (left.len() as f64, right.len() as f64);
            let energy = 2.0 * mean(left, right, n * m)
                - mean(left, left, n * (n - 1.0))
                - mean(right, right, m * (m - 1.0));
            energy * n * m / (n + m)
        };
        assert!((direct(at) - score).abs() < 1e-9);
        let best = (LEAST..=values.len() - LEAST).map(direct).fold(f64::MIN, f64::max);
        assert!((best - score).abs() < 1e-9);
    }
}
