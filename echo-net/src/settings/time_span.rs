//! A duration: [`TimeSpan`], typed as `500us`, `30s`, `1m30s`, or a bare number of seconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::decimal;

/// A duration with nanosecond resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub Duration);

/// Invalid duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration `{0}` (use seconds, or units like 500us, 20ms, 30s, 1m30s or 2h)")]
pub struct InvalidTimeSpan(String);

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl FromStr for TimeSpan {
    type Err = InvalidTimeSpan;

    fn from_str(text: &str) -> Result<Self, InvalidTimeSpan> {
        nanos(text)
            .map(|nanos| Self(Duration::from_nanos(nanos)))
            .ok_or_else(|| InvalidTimeSpan(text.to_owned()))
    }
}

fn nanos(text: &str) -> Option<u64> {
    let (number, unit) = decimal::split(text);
    if unit.is_empty() {
        return decimal::times(number, SECOND);
    }
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (number, after) = decimal::split(rest);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => MICROSECOND,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" | "min" => MINUTE,
            "h" => HOUR,
            _ => return None,
        };
        sum = sum.checked_add(decimal::times(number, unit)?)?;
        rest = after;
    }
    Some(sum)
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Saturates at 584 years, which no flag accepts.
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        let (hours, minutes, rest) = (nanos / HOUR, nanos % HOUR / MINUTE, nanos % MINUTE);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        let (unit, name) = match rest {
            0 if nanos > 0 => return Ok(()),
            0 | SECOND.. => (SECOND, "s"),
            MILLISECOND.. => (MILLISECOND, "ms"),
            MICROSECOND.. => (MICROSECOND, "us"),
            _ => (1, "ns"),
        };
        write!(f, "{}{name}", decimal::show(rest, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_that_people_type() {
        for (typed, nanos) in [
            ("30", 30 * SECOND),
            ("2.5", 2_500 * MILLISECOND),
            ("0", 0),
            ("500us", 500 * MICROSECOND),
            ("500µs", 500 * MICROSECOND),
            ("20ms", 20 * MILLISECOND),
            ("30s", 30 * SECOND),
            ("1m30s", 90 * SECOND),
            ("1h", HOUR),
            ("1h1m1.5s", HOUR + MINUTE + 1_500 * MILLISECOND),
            ("7ns", 7),
        ] {
            assert_eq!(typed.parse(), Ok(TimeSpan(Duration::from_nanos(nanos))), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration_and_names_the_remedy() {
        for typed in ["", "s", "-1", "1x", "1m30", "1 s", "1e3", "9999999999h", "NaN"] {
            let error = typed.parse::<TimeSpan>().unwrap_err().to_string();
            assert!(error.contains("like 500us"), "{typed}: {error}");
        }
    }

    #[test]
    fn shows_it_as_one_would_type_it() {
        for (nanos, shown) in [
            (0, "0s"),
            (30 * SECOND, "30s"),
            (90 * SECOND, "1m30s"),
            (2_500 * MILLISECOND, "2.5s"),
            (500 * MICROSECOND, "500us"),
            (1_500, "1.5us"),
            (HOUR, "1h"),
            (HOUR + 1, "1h1ns"),
        ] {
            assert_eq!(TimeSpan(Duration::from_nanos(nanos)).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in any::<u64>(), shift in 0..64_u32) {
            let span = TimeSpan(Duration::from_nanos(nanos >> shift));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
