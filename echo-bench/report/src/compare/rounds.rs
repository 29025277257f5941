//! Runs of two sides that were made in turns: whether they were ([`in_turns`]), and how sure a
//! difference is if it is taken round by round ([`difference`]). What a machine does slowly, it
//! does to both runs of a round, so that it is no part of their difference.

use super::measure::Measured;
use crate::stats::contrast::Estimate;

/// The spread of fewer rounds has so few degrees of freedom that it finds less than the spread
/// of the runs does, and looking at both would cost the power of that.
const LEAST_ROUNDS: usize = 4;

/// The same of an average over pairs of sides, each of which has a spread of its own: so many
/// rounds, and degrees of all pairs together.
const LEAST_ROUNDS_OF_PAIRS: usize = 3;
const LEAST_DEGREES: usize = LEAST_ROUNDS - 1;

/// Whether the runs of two sides, which began at these times in rising order (RFC 3339, UTC),
/// were made in rounds of one run a side, whichever came first in each.
pub(super) fn in_turns(base: &[String], candidate: &[String]) -> bool {
    let rounds: Vec<_> = base.iter().zip(candidate).collect();
    let apart =
        |pair: &[(&String, &String)]| pair[0].0.max(pair[0].1) < pair[1].0.min(pair[1].1);
    base.len() == candidate.len()
        && rounds.len() > 1
        && rounds.iter().all(|(base, candidate)| base != candidate)
        && rounds.windows(2).all(apart)
}

/// Whether so many rounds of one pair of sides are looked at.
pub(super) fn are_enough(rounds: usize) -> bool {
    rounds >= LEAST_ROUNDS
}

/// The difference of two sides that were measured in turns, with its variance by their rounds;
/// `None` where one of them does not know what its runs contribute. It has one degree of freedom
/// less than there are rounds.
pub(super) fn difference(base: &Measured, candidate: &Measured) -> Option<Estimate> {
    let count = base.pulls.len();
    if count < 2 || candidate.pulls.len() != count {
        return None;
    }
    let rounds = base.pulls.iter().zip(&candidate.pulls);
    let together: f64 = rounds.map(|(base, candidate)| (candidate - base).powi(2)).sum();
    // A statistic that is not the sum of what its runs contribute varies by more than they do.
    let beyond = |side: &Measured| {
        let by_runs: f64 = side.pulls.iter().map(|pull| pull.powi(2)).sum();
        let whole = side.estimate.variance * (count - 1) as f64 / count as f64;
        (whole - by_runs).max(0.0)
    };
    let sum = together + beyond(base) + beyond(candidate);
    Some(Estimate {
        value: candidate.estimate.value - base.estimate.value,
        variance: sum * count as f64 / (count - 1) as f64,
        degrees: count as f64 - 1.0,
    })
}

/// The mean of such differences of several pairs of sides; `None` if there are too few rounds
/// of all pairs together.
///
/// The spread of each pair has degrees of its own, so that few rounds of many pairs are enough.
/// The order within a round is random, so that what a machine does within it, it does to no pair
/// more than to another.
pub(super) fn mean_difference(pairs: &[(&Measured, &Measured)]) -> Option<Estimate> {
    let rounds = || pairs.iter().map(|(base, _)| base.pulls.len());
    let degrees: usize = rounds().map(|rounds| rounds.saturating_sub(1)).sum();
    if degrees < LEAST_DEGREES || rounds().any(|rounds| rounds < LEAST_ROUNDS_OF_PAIRS) {
        return None;
    }
    let differences: Option<Vec<Estimate>> =
        pairs.iter().map(|(base, candidate)| difference(base, candidate)).collect();
    Estimate::mean(&differences?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::contrast::Estimate;

    #[test]
    fn turns_are_told_from_one_side_after_the_other() {
        let at = |minutes: &[u32]| -> Vec<String> {
            minutes.iter().map(|minute| format!("2026-01-01T00:{minute:02}:00Z")).collect()
        };
        for (base, candidate, found) in [
            (&[1, 3, 5, 7][..], &[2, 4, 6, 8][..], true),
            (&[1, 4, 5, 8], &[2, 3, 6, 7], true),
            (&[1, 2, 3, 4], &[5, 6, 7, 8], false),
            (&[1, 2, 5, 7], &[3, 4, 6, 8], false),
            (&[1, 3, 5], &[2, 4, 6], true),
            (&[1], &[2], false),
            (&[1, 3, 5, 7], &[2, 4, 6], false),
            (&[1, 3, 5, 7], &[1, 3, 5, 7], false),
        ] {
            assert_eq!(in_turns(&at(base), &at(candidate)), found, "{base:?} {candidate:?}");
        }
    }

    fn side(pulls: [f64; 4]) -> Measured {
        let squares: f64 = pulls.iter().map(|pull| pull.powi(2)).sum();
        let estimate = Estimate { value: 0.0, variance: squares * 4.0 / 3.0, degrees: 3.0 };
        Measured { value: 1.0, estimate, runs: 4, within: None, pulls: pulls.to_vec() }
    }

    #[test]
    fn what_both_sides_do_in_a_round_is_no_part_of_their_difference() {
        let (base, same) = (side([-0.2, 0.1, 0.1, 0.0]), side([-0.2, 0.1, 0.1, 0.0]));
        let variance = |base, candidate| difference(base, candidate).map(|one| one.variance);
        assert!(variance(&base, &same).unwrap() < 1e-12);
        let turned = side([0.2, -0.1, -0.1, 0.0]);
        let doubled = variance(&base, &turned).unwrap();
        let apart = base.estimate.variance + turned.estimate.variance;
        assert!((doubled / apart - 2.0).abs() < 1e-9, "{doubled} {apart}");
        assert_eq!(variance(&base, &Measured { pulls: Vec::new(), ..same }), None);
    }

    #[test]
    fn pairs_have_the_degrees_of_all_their_rounds_together() {
        let (base, turned) = (side([-0.2, 0.1, 0.1, 0.0]), side([0.2, -0.1, -0.1, 0.0]));
        let one = difference(&base, &turned).unwrap();
        let two = mean_difference(&[(&base, &turned), (&turned, &base)]).unwrap();
        assert!((one.degrees - 3.0).abs() < 1e-9 && (two.degrees - 6.0).abs() < 1e-9);
        assert!((two.variance - one.variance / 2.0).abs() < 1e-9);
        let first = |count: usize| {
            [&base, &turned]
                .map(|of| Measured { pulls: of.pulls[..count].into(), ..of.clone() })
        };
        let [base, turned] = first(3);
        assert_eq!(mean_difference(&[(&base, &turned)]), None, "two degrees");
        assert!(mean_difference(&[(&base, &turned); 2]).is_some());
        let [base, turned] = first(2);
        assert_eq!(mean_difference(&[(&base, &turned); 3]), None, "two rounds");
    }
}
