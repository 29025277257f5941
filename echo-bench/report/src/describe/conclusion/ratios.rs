//! Ratios and shares in a sentence: [`times`], [`percent`].

use crate::describe::units;

/// Ends of intervals above this say that nothing is known.
const MOST: f64 = 10_000.0;

/// A ratio with its interval, like `1.44 x [1.36, 1.54]`. What differs from 1 does not look like
/// it.
pub(in crate::describe) fn times(ratio: f64, interval: Option<[f64; 2]>) -> String {
    let [low, high] = interval.unwrap_or([ratio; 2]);
    let all = [ratio, low, high];
    let (one, fewest) = (1.0_f64, fewest_digits(ratio));
    let looks_like_one = |value: f64, digits: usize| {
        (value - one).abs() > 1e-9 && format!("{value:.digits$}") == format!("{one:.digits$}")
    };
    let tell = |digits: &usize| !all.iter().any(|value| looks_like_one(*value, *digits));
    let digits = (fewest..=fewest.max(4)).find(tell).unwrap_or(fewest.max(4));
    let end = |end: f64| {
        if end > MOST { format!(">{MOST:.0}") } else { format!("{end:.digits$}") }
    };
    let shown = format!("{ratio:.digits$}");
    let ends = interval.map(|_| units::interval(&shown, &end(low), &end(high)));
    format!("{shown} x{}", ends.unwrap_or_default())
}

/// Two digits after the point, or as many as show two digits of a small ratio.
fn fewest_digits(ratio: f64) -> usize {
    match ratio {
        ratio if ratio >= 99.95 => 0,
        ratio if ratio >= 9.995 => 1,
        ratio if ratio >= 0.0995 => 2,
        ratio if ratio >= 0.00995 => 3,
        _ => 4,
    }
}

/// The smallest change that would have been found, like `6 %`.
pub(in crate::describe) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 1000.0 => "above 1000 %".into(),
        percent if percent >= 9.95 => format!("{percent:.0} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// The same of several, from the least to the greatest.
pub(super) fn percents(mut shares: Vec<f64>) -> Option<String> {
    shares.sort_by(f64::total_cmp);
    let (least, most) = (percent(*shares.first()?), percent(*shares.last()?));
    Some(match least.strip_suffix(" %") {
        Some(start) if least != most && !start.starts_with('a') => format!("{start} to {most}"),
        _ => most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_as_many_digits_as_tell_them_from_one() {
        for (ratio, interval, shown) in [
            (1.4378, Some([1.362, 1.544]), "1.44 x [1.36, 1.54]"),
            (0.9981, Some([0.9963, 0.9992]), "0.998 x [0.996, 0.999]"),
            (1.02, Some([1.004, 1.036]), "1.020 x [1.004, 1.036]"),
            (12.34, None, "12.3 x"),
            (891.0, Some([700.0, 20_000.0]), "891 x [700, >10000]"),
            (0.00112, None, "0.0011 x"),
            (1.0, Some([0.9, 1.1]), "1.00 x [0.90, 1.10]"),
            (1.4378, Some([1.4377, 1.4379]), "1.44 x"),
        ] {
            assert_eq!(times(ratio, interval), shown);
        }
    }

    #[test]
    fn changes_that_would_have_been_found_are_rounded() {
        assert_eq!(percent(0.0612), "6.1 %");
        assert_eq!(percent(0.1249), "12 %");
        assert_eq!(percent(1e9), "above 1000 %");
        assert_eq!(percents(vec![0.12, 0.06]).unwrap(), "6.0 to 12 %");
        assert_eq!(percents(vec![0.12, 0.12]).unwrap(), "12 %");
        assert_eq!(percents(vec![0.12, 1e9]).unwrap(), "12 to above 1000 %");
        assert_eq!(percents(Vec::new()), None);
    }
}
