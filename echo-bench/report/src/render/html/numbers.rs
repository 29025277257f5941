//! Numbers as pages show them: those of [`units`], with the signs that a terminal may lack.

use crate::render::units;
use crate::report::{LatencySummary, Quantile};

/// Between a number and its unit, and between thousands: no line break there.
pub(super) const NARROW_SPACE: &str = "\u{202f}";

/// What was not measured.
pub(super) const NOTHING: &str = "–";

/// A number with its unit, as a terminal shows it, with the signs of print.
pub(super) fn typographic(text: &str) -> String {
    text.replace(" us", " µs").replace(">=", "≥").replace(' ', NARROW_SPACE).replace('-', "−")
}

pub(super) fn time(ns: f64) -> String {
    typographic(&units::time(ns))
}

pub(super) fn count(count: u64) -> String {
    units::count(count).replace(' ', NARROW_SPACE)
}

pub(super) fn rate(per_s: f64) -> String {
    units::rate(per_s).replace(' ', NARROW_SPACE)
}

pub(super) fn bytes(bytes: u64) -> String {
    units::bytes(bytes).replace(' ', NARROW_SPACE)
}

pub(super) fn microseconds(us: f64) -> String {
    format!("{}{NARROW_SPACE}µs", units::significant(us))
}

/// A share, as percent; small ones keep a digit that is not 0.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return NOTHING.into();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    let digits = match percent {
        p if p == 0.0 || p >= 99.995 => 0,
        p if p >= 0.995 => 1,
        p if p >= 0.0095 => 3,
        _ => 5,
    };
    // Not all must not look like all.
    let shown = format!("{percent:.digits$}");
    let shown = if shown == "100" && part != whole { "99.99".into() } else { shown };
    format!("{shown}{NARROW_SPACE}%")
}

/// A range in the unit of its upper end, like `358–369 µs`; ends that are far apart each
/// have their own.
pub(super) fn interval([low, high]: [u64; 2]) -> String {
    if low < high / 100 {
        return format!("{} – {}", time(low as f64), time(high as f64));
    }
    let (scale, unit) = match high {
        0..1_000 => (1.0, "ns"),
        1_000..1_000_000 => (1e3, "µs"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let part = |ns: u64| units::significant(ns as f64 / scale);
    format!("{}–{}{NARROW_SPACE}{unit}", part(low), part(high))
}

/// A latency with the sign of a lower bound where it is one.
pub(super) fn latency(clock: &LatencySummary, ns: u64) -> String {
    let bound = if clock.is_lower_bound(ns) { "≥ " } else { "" };
    format!("{bound}{}", time(ns as f64))
}

/// A percentile, marked if it is weak, and as a lower bound where it is one.
pub(super) fn percentile(clock: &LatencySummary, quantile: &Quantile) -> String {
    let weak = if clock.weakness(quantile).is_some() { "~" } else { "" };
    format!("{weak}{}", latency(clock, clock.quantile_ns(quantile)))
}

pub(super) fn or_nothing<T>(value: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NOTHING.into(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_their_meaning_when_rounded() {
        for (part, whole, shown) in [
            (0, 10, "0\u{202f}%"),
            (10, 10, "100\u{202f}%"),
            (999_999, 1_000_000, "99.99\u{202f}%"),
            (999, 1000, "99.9\u{202f}%"),
            (1, 1000, "0.100\u{202f}%"),
            (1, 1_000_000, "0.00010\u{202f}%"),
            (1, 0, NOTHING),
        ] {
            assert_eq!(share(part, whole), shown);
        }
    }

    #[test]
    fn intervals_have_one_unit() {
        assert_eq!(interval([950, 1_500]), "0.95–1.50\u{202f}µs");
        assert_eq!(interval([2_160_000, 4_560_000]), "2.16–4.56\u{202f}ms");
        assert_eq!(interval([80_000, 394_000_000]), "80.0\u{202f}µs – 394\u{202f}ms");
    }
}
