//! Numbers with units: the one place that picks unit and digits.

/// The longest time that a histogram of a run holds: an hour.
const LONGEST_NS: f64 = 3.6e12;

/// A time in nanoseconds with three significant digits, like `7.41 ms`.
pub fn time(ns: f64) -> String {
    TimeUnit::of([ns]).time(ns)
}

/// A CPU time in microseconds, whatever its size: so it is compared at a glance.
pub fn microseconds(us: f64) -> String {
    TimeUnit { ns: 1e3, name: "µs" }.time(us * 1e3)
}

/// The unit that times which are read together share: those of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeUnit {
    ns: f64,
    name: &'static str,
}

impl TimeUnit {
    const ALL: [Self; 4] = [
        Self { ns: 1e9, name: "s" },
        Self { ns: 1e6, name: "ms" },
        Self { ns: 1e3, name: "µs" },
        Self { ns: 1.0, name: "ns" },
    ];

    /// The unit of the greatest of these nanoseconds, or a smaller one that leaves the least of
    /// them its digits.
    pub(crate) fn of(all_ns: impl IntoIterator<Item = f64>) -> Self {
        let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
        for ns in all_ns.into_iter().filter(|ns| ns.is_finite() && *ns > 0.0) {
            (least, greatest) = (least.min(ns), greatest.max(ns));
        }
        let fits = |unit: &Self| greatest >= unit.ns && least >= unit.ns / 1e3;
        let [.., nanoseconds] = Self::ALL;
        Self::ALL.into_iter().find(fits).unwrap_or(nanoseconds)
    }

    /// A time in it, with three significant digits and at most four after the point.
    pub(crate) fn time(self, ns: f64) -> String {
        format!("{} {}", self.bare(ns), self.name)
    }

    /// The same without the unit.
    fn bare(self, ns: f64) -> String {
        let value = ns / self.ns;
        let digits = match value.abs() {
            v if v >= 9999.5 => return count(value.round() as u64),
            v if v >= 99.95 => 0,
            v if v >= 9.995 => 1,
            v if v >= 0.9995 || v <= 0.0 => 2,
            v if v >= 0.099_95 => 3,
            _ => 4,
        };
        format!("{value:.digits$}")
    }

    /// A range in it, like `7.30..7.52 ms`. An end above the longest time that is measured says that
    /// nothing is known of it.
    pub(crate) fn range(self, low_ns: f64, high_ns: f64) -> String {
        let above = if high_ns > LONGEST_NS { ">" } else { "" };
        let high = self.bare(high_ns.min(LONGEST_NS));
        format!("{}..{above}{high} {}", self.bare(low_ns), self.name)
    }
}

/// A range of times in the unit of its upper end, like `7.30..7.52 ms`; ends that are far apart
/// each have their own.
pub(crate) fn time_range(low_ns: f64, high_ns: f64) -> String {
    if low_ns < high_ns / 100.0 && high_ns <= LONGEST_NS {
        return format!("{}..{}", time(low_ns), time(high_ns));
    }
    TimeUnit::of([high_ns]).range(low_ns, high_ns)
}

/// A time with its interval in one unit, like `1.23 ms [1.20, 1.27]`.
pub(crate) fn time_with_interval(ns: f64, [low, high]: [f64; 2]) -> String {
    let unit = TimeUnit::of([ns]);
    format!("{}{}", unit.time(ns), interval(&unit.bare(ns), &unit.bare(low), &unit.bare(high)))
}

/// An interval after a value, like ` [1.20, 1.27]`; nothing where its ends look like the value:
/// it would say no more.
pub(crate) fn interval(value: &str, low: &str, high: &str) -> String {
    if low == value && high == value { String::new() } else { format!(" [{low}, {high}]") }
}

/// Rates in the scale of the first, like `41.3k`, with as many digits as tell them apart.
pub fn brief_rates<const N: usize>(rates: [f64; N]) -> [String; N] {
    let first = rates.first().copied().unwrap_or(0.0);
    let (scale, sign) = match first {
        first if first < 9_999.5 => (1.0, ""),
        first if first < 9_999_500.0 => (1e3, "k"),
        first if first < 9.9995e9 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    let shown = |digits: usize| rates.map(|rate| format!("{:.digits$}{sign}", rate / scale));
    let least = match first / scale {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    // An interval that looks like a point says too much.
    let different = |at: usize, other: usize| rates[at].total_cmp(&rates[other]).is_ne();
    let alike = |of: &[String; N]| {
        let mut pairs = (0..N).flat_map(|at| (0..at).map(move |other| (at, other)));
        pairs.any(|(at, other)| different(at, other) && of[at] == of[other])
    };
    let digits = (least..least + 2).find(|digits| !alike(&shown(*digits)));
    shown(digits.unwrap_or(least))
}

/// Three significant digits, and all digits before the point.
pub fn significant(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A count with its thousands apart, like `3 942 069`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of things, like `1 connection` or `2 connections`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", self::count(count), plural_s(count))
}

/// What a noun ends with after a count.
pub(crate) fn plural_s(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A rate per second: whole from 1000 on, else with two digits after the point.
pub fn rate(per_s: f64) -> String {
    if per_s >= 999.5 { count(per_s.round() as u64) } else { format!("{per_s:.2}") }
}

/// A share as percent; small ones keep a digit that is not 0.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
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
    format!("{shown} %")
}

/// A size in bytes, like `64 B` or `1.50 MiB`.
pub fn bytes(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", significant(value / 1024.0)),
        0x10_0000..0x4000_0000 => format!("{} MiB", significant(value / f64::from(1 << 20))),
        _ => format!("{} GiB", significant(value / f64::from(1 << 30))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_unit_and_digits() {
        for (ns, shown) in [
            (0.0, "0.00 ns"),
            (999.0, "999 ns"),
            (1234.0, "1.23 µs"),
            (99_960.0, "100 µs"),
            (7_414_000.0, "7.41 ms"),
            (61e9, "61.0 s"),
            (3600e9, "3600 s"),
            (0.4, "0.400 ns"),
        ] {
            assert_eq!(time(ns), shown);
        }
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(3_942_069), "3 942 069");
        assert_eq!(rate(0.5), "0.50");
        assert_eq!(rate(131_402.3), "131 402");
        assert_eq!(bytes(64), "64 B");
        assert_eq!(bytes(1536), "1.50 KiB");
    }

    #[test]
    fn brief_rates_share_a_scale_and_tell_an_interval_from_a_point() {
        let shown = |rates: [f64; 3]| brief_rates(rates).join(" ");
        assert_eq!(shown([41_321.0, 40_930.0, 41_702.0]), "41.3k 40.9k 41.7k");
        assert_eq!(shown([41_321.0, 41_300.0, 41_340.0]), "41.32k 41.30k 41.34k");
        assert_eq!(shown([812.4, 800.0, 820.0]), "812 800 820");
        assert_eq!(shown([1_234_567_890.0; 3]), "1235M 1235M 1235M");
        assert_eq!(shown([123_456.0, 123_000.0, 124_000.0]), "123.5k 123.0k 124.0k");
        assert_eq!(brief_rates([0.5]), ["0.50"]);
        assert_eq!(brief_rates([]), [""; 0]);
        assert_eq!(
            time_with_interval(1_230_000.0, [1_200_000.0, 1_270_000.0]),
            "1.23 ms [1.20, 1.27]"
        );
        let narrow = time_with_interval(99_000_000.0, [98_990_000.0, 99_010_000.0]);
        assert_eq!(narrow, "99.0 ms", "an interval that looks like its value");
    }

    #[test]
    fn ranges_have_one_unit_unless_their_ends_are_far_apart() {
        assert_eq!(time_range(950.0, 1_500.0), "0.950..1.50 µs");
        assert_eq!(time_range(2_160_000.0, 4_560_000.0), "2.16..4.56 ms");
        assert_eq!(time_range(80_000.0, 394_000_000.0), "80.0 µs..394 ms");
        assert_eq!(TimeUnit::of([8e5]).range(0.1, 1e40), "0.0001..>3 600 000 000 µs");
        assert_eq!(time_range(80_000.0, 1e40), "0.0001..>3600 s");
    }

    #[test]
    fn times_of_a_column_share_a_unit_in_which_the_least_can_be_told() {
        for (column, shown) in [
            (&[7.8e6, 639e3, 170e6][..], &["7.80 ms", "0.639 ms", "170 ms"][..]),
            (&[130e6, 1_230.0], &["130 ms", "0.0012 ms"]),
            (&[2e9, 80e3, 0.0], &["2000 ms", "0.0800 ms", "0.00 ms"]),
            (&[3.6e12, 80.0], &["3 600 000 000 µs", "0.0800 µs"]),
            (&[0.0], &["0.00 ns"]),
            (&[f64::NAN, 1e3], &["NaN µs", "1.00 µs"]),
        ] {
            let unit = TimeUnit::of(column.iter().copied());
            let told: Vec<_> = column.iter().map(|&ns| unit.time(ns)).collect();
            assert_eq!(told, shown);
        }
        assert_eq!(TimeUnit::of([4e6]).range(3.9e5, 4.1e6), "0.390..4.10 ms");
    }

    #[test]
    fn shares_keep_their_meaning_when_rounded() {
        for (part, whole, shown) in [
            (0, 10, "0 %"),
            (10, 10, "100 %"),
            (999_999, 1_000_000, "99.99 %"),
            (999, 1000, "99.9 %"),
            (1, 1000, "0.100 %"),
            (1, 1_000_000, "0.00010 %"),
            (1, 0, "-"),
        ] {
            assert_eq!(share(part, whole), shown);
        }
    }
}
