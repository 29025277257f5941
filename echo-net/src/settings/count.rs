//! A number of things: [`Count`], typed as `500`, `10k` or `1M`.

use std::fmt;
use std::str::FromStr;

use super::decimal;

/// A number of things. `k` is 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u64);

/// Invalid count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid count `{0}` (use a whole number, or one with k, M or G, like 500, 10k or 1M)")]
pub struct InvalidCount(String);

/// The factor of a suffix.
pub(super) fn factor(suffix: &str) -> Option<u64> {
    match suffix {
        "" => Some(1),
        "k" | "K" => Some(1_000),
        "m" | "M" => Some(1_000_000),
        "g" | "G" => Some(1_000_000_000),
        _ => None,
    }
}

impl FromStr for Count {
    type Err = InvalidCount;

    fn from_str(text: &str) -> Result<Self, InvalidCount> {
        let (number, suffix) = decimal::split(text);
        factor(suffix)
            .filter(|factor| *factor > 1 || !number.contains('.'))
            .and_then(|factor| decimal::times(number, factor))
            .map(Self)
            .ok_or_else(|| InvalidCount(text.to_owned()))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, suffix) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{suffix}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_that_people_type() {
        for (typed, count) in
            [("0", 0), ("500", 500), ("10k", 10_000), ("1M", 1_000_000), ("2.5k", 2_500)]
        {
            assert_eq!(typed.parse(), Ok(Count(count)), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_count_and_names_the_remedy() {
        for typed in ["", "k", "-1", "1.5", "1T", "10 k", "99999999999G"] {
            let error = typed.parse::<Count>().unwrap_err().to_string();
            assert!(error.contains("like 500, 10k or 1M"), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(count in any::<u64>(), thousands in 0..4_u32) {
            let count = Count((count >> 32).saturating_mul(1000_u64.pow(thousands)));
            prop_assert_eq!(count.to_string().parse(), Ok(count));
        }
    }
}
