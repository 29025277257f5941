//! Numbers with units: the one place that picks unit and digits.

/// A time in nanoseconds with three significant digits, like `7.41 ms`.
pub fn time(ns: f64) -> String {
    let (scale, unit) = scale(ns);
    format!("{} {unit}", significant(ns / scale))
}

fn scale(ns: f64) -> (f64, &'static str) {
    match ns {
        ns if ns < 1e3 => (1.0, "ns"),
        ns if ns < 1e6 => (1e3, "us"),
        ns if ns < 1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    }
}

/// A range of times in the unit of its upper end, like `7.30..7.52 ms`.
pub fn time_range(low_ns: f64, high_ns: f64) -> String {
    let (scale, unit) = scale(high_ns);
    format!("{}..{} {unit}", significant(low_ns / scale), significant(high_ns / scale))
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
pub fn plural_s(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A rate per second: whole from 1000 on, else with two digits after the point.
pub fn rate(per_s: f64) -> String {
    if per_s >= 999.5 { count(per_s.round() as u64) } else { format!("{per_s:.2}") }
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
            (1234.0, "1.23 us"),
            (99_960.0, "100 us"),
            (7_414_000.0, "7.41 ms"),
            (61e9, "61.0 s"),
            (3600e9, "3600 s"),
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
}
