//! A rate per second: [`Rate`], typed as `0.5`, `100`, `10k` or `1M`.

use std::fmt;
use std::str::FromStr;

use super::count::factor;
use super::decimal;

/// A number per second, finite and above zero; may be fractional.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// Invalid rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid rate `{0}` (use a number per second above 0, like 0.5, 100, 10k or 1M)")]
pub struct InvalidRate(String);

impl Rate {
    /// A rate; `None` unless it is finite and above zero.
    pub fn new(per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second > 0.0).then_some(Self(per_second))
    }

    /// The rate per second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (number, suffix) = decimal::split(text);
        factor(suffix)
            .zip(number.parse::<f64>().ok())
            .and_then(|(factor, number)| Self::new(number * factor as f64))
            .ok_or_else(|| InvalidRate(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    #[expect(clippy::float_cmp, reason = "exactly the same number is what must read back")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
            let short = self.0 / factor;
            // Only where it is exact and parses back to the same value.
            if short >= 1.0 && short.fract() == 0.0 && short * factor == self.0 {
                return write!(f, "{short}{suffix}");
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
        for (typed, rate) in
            [("0.5", 0.5), ("100", 100.0), ("10k", 1e4), ("1M", 1e6), ("2.5k", 2500.0)]
        {
            assert_eq!(typed.parse(), Ok(Rate(rate)), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_rate_and_names_the_remedy() {
        for typed in ["", "k", "0", "-1", "inf", "NaN", "1T", "10k/s"] {
            let error = typed.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("like 0.5, 100, 10k or 1M"), "{typed}: {error}");
        }
    }

    #[test]
    fn shows_it_short_where_that_is_exact() {
        for (rate, shown) in [(0.5, "0.5"), (1e4, "10k"), (2500.0, "2500"), (1e6, "1M")] {
            assert_eq!(Rate(rate).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(rate in 1e-3..1e12_f64) {
            for rate in [Rate(rate), Rate(rate.ceil())] {
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }
    }
}
