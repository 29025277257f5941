//! Holm's correction: several questions asked at once raise one false alarm or more with at
//! most the chance that one question has (Holm, *Scandinavian Journal of Statistics* 6,
//! 1979). It needs no independence, and percentiles of one run are far from independent.

/// The p-values, in their order, corrected for how many there are: reject those that are
/// still at most the level.
pub(crate) fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &place) in order.iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        // Never below that of a smaller p-value, or the order would turn round.
        least = least.max((p_values[place] * left).min(1.0));
        adjusted[place] = least;
    }
    adjusted
}

/// For each p-value the level that the procedure holds it against, which is the level of the
/// interval that goes with the verdict: that of its own step if it is rejected, and for all
/// others that of the step at which the procedure ended.
pub(crate) fn levels(p_values: &[f64], level: f64) -> Vec<f64> {
    let adjusted = adjusted(p_values);
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let rejected = adjusted.iter().filter(|p| **p <= level).count();
    let mut levels = vec![level; p_values.len()];
    for (rank, &place) in order.iter().enumerate() {
        levels[place] = level / (p_values.len() - rank.min(rejected)) as f64;
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_step_down_procedure() {
        // By hand: 0.01 x 4, 0.005 x 5 first, 0.03 x 3, 0.04 x 2 held up by 0.09, 0.2.
        let found = adjusted(&[0.01, 0.04, 0.03, 0.005, 0.2]);
        for (found, right) in found.iter().zip([0.04, 0.09, 0.09, 0.025, 0.2]) {
            assert!((found - right).abs() < 1e-12, "{found} {right}");
        }
        assert!(adjusted(&[]).is_empty());
        assert_eq!(adjusted(&[0.7, 0.9]), [1.0, 1.0]);
    }

    #[test]
    fn a_p_value_is_rejected_exactly_where_it_is_at_most_its_level() {
        let p_values = [0.01, 0.04, 0.03, 0.005, 0.2];
        let levels = levels(&p_values, 0.05);
        // 0.005 against 0.05 / 5 and 0.01 against 0.05 / 4; 0.03 fails against 0.05 / 3.
        for (found, right) in levels.iter().zip([4.0, 3.0, 3.0, 5.0, 3.0]) {
            assert!((found - 0.05 / right).abs() < 1e-12, "{levels:?}");
        }
        for (place, adjusted) in adjusted(&p_values).into_iter().enumerate() {
            assert_eq!(adjusted <= 0.05, p_values[place] <= levels[place], "{place}");
        }
        assert_eq!(super::levels(&[0.001, 0.002], 0.05), [0.025, 0.05], "all are rejected");
    }
}
