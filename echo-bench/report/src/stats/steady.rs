//! Whether a series has settled: [`drift`].

/// Values below which a trend can't be told from chance.
pub(crate) const LEAST_VALUES: usize = 10;

/// Most values that are looked at, for all pairs of them are: of a longer series neighbours
/// are averaged.
const MOST_VALUES: usize = 500;

/// Two-sided 1 % point of the normal distribution.
const SIGNIFICANT: f64 = 2.576;

/// A drift smaller than this share of the level is no matter.
const MATTERS: f64 = 0.05;

/// The change over the whole series, as a share of its median, if it has a trend that is
/// both significant (Mann-Kendall, at 1 %) and large enough to matter (5 %, by Theil-Sen).
pub(crate) fn drift(series: &[f64]) -> Option<f64> {
    let together = series.len().div_ceil(MOST_VALUES).max(1);
    // Whole groups alone, so that all have the same variance.
    let groups = series.chunks_exact(together);
    let series: Vec<f64> =
        groups.map(|group| group.iter().sum::<f64>() / together as f64).collect();
    let n = series.len();
    if n < LEAST_VALUES {
        return None;
    }
    let pairs = || (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let score: f64 = pairs()
        .map(|(i, j)| match series[j].total_cmp(&series[i]) {
            std::cmp::Ordering::Less => -1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => 1.0,
        })
        .sum();
    let size = n as f64;
    let deviation = (size * (size - 1.0) * (2.0 * size + 5.0) / 18.0).sqrt();
    if score.abs() <= SIGNIFICANT * deviation {
        return None;
    }
    let slope =
        median(pairs().map(|(i, j)| (series[j] - series[i]) / (j - i) as f64).collect());
    let change = slope * (size - 1.0) / median(series.clone());
    (change.is_finite() && change.abs() > MATTERS).then_some(change)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_drift_from_noise_and_from_a_level() {
        let noise = |k: usize| ((k * 7919) % 13) as f64;
        let level: Vec<f64> = (0..30).map(|k| 1000.0 + noise(k)).collect();
        assert_eq!(drift(&level), None);
        let rising: Vec<f64> = (0..30).map(|k| 1000.0 + 10.0 * k as f64 + noise(k)).collect();
        assert!(drift(&rising).is_some_and(|change| (0.2..0.3).contains(&change)));
        let slightly: Vec<f64> = (0..30).map(|k| 1000.0 + 0.5 * f64::from(k)).collect();
        assert_eq!(drift(&slightly), None, "significant, but no matter");
        assert_eq!(drift(&rising[..5]), None);
    }

    #[test]
    fn a_day_of_hundredths_of_a_second_is_not_too_much() {
        let noise = |k: u32| f64::from((k % 1000 * 7919) % 13);
        let rising: Vec<f64> =
            (0..8_640_000).map(|k| 1000.0 + f64::from(k) / 30_000.0 + noise(k)).collect();
        assert!(drift(&rising).is_some_and(|change| (0.2..0.3).contains(&change)));
    }
}
