//! How much less a series says because its values are correlated: [`inflation`].

/// The largest autocorrelation that is believed: beyond it the series is one long drift and
/// its length says nothing of the variance.
const MOST: f64 = 0.95;

/// By how much the variance of the sum of `series` exceeds that of independent values: the
/// larger of two estimates. One takes each value to hang on its forerunner alone: (1 + r) /
/// (1 - r), with r the autocorrelation at lag 1 (Bartlett, *Journal of the Royal Statistical
/// Society* 98, 1935). The other adds up the autocorrelations as long as those of two
/// neighbouring lags together are positive (Geyer, *Statistical Science* 7, 1992); it is the
/// larger one where the series is correlated under noise.
pub(crate) fn inflation(series: &[f64]) -> f64 {
    let count = series.len() as f64;
    let mean = series.iter().sum::<f64>() / count;
    let squares: f64 = series.iter().map(|value| (value - mean).powi(2)).sum();
    if series.len() < 3 || squares <= 0.0 {
        return 1.0;
    }
    let products = |lag: usize| -> f64 {
        let pairs = series.iter().zip(&series[lag..]);
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let first = products(1) / squares;
    // Short series show less autocorrelation than there is (Kendall, Biometrika 41, 1954).
    let bias = (1.0 + 3.0 * first.max(0.0)) / count;
    let at = |lag: usize| products(lag) / squares + bias;
    let r = at(1).clamp(0.0, MOST);
    let by_forerunner = (1.0 + r) / (1.0 - r);
    let mut by_sum = 1.0;
    for lag in (1..series.len() / 2).step_by(2) {
        let pair = at(lag) + at(lag + 1);
        if pair <= 0.0 {
            break;
        }
        by_sum += 2.0 * pair;
    }
    by_forerunner.max(by_sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_series_that_hangs_together_from_one_that_does_not() {
        let scattered: Vec<f64> = (0..30).map(|k| f64::from((k * k * 7919) % 101)).collect();
        assert!(inflation(&scattered) < 2.0, "{}", inflation(&scattered));
        let steps: Vec<f64> = (0..30).map(|k| f64::from(k / 10)).collect();
        assert!(inflation(&steps) > 5.0);
        assert!((inflation(&[2.0; 10]) - 1.0).abs() < 1e-12);
    }
}
