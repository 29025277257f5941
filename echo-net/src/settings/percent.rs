//! A share below the whole: [`Percent`], typed as `0.1%`.

use std::fmt;
use std::str::FromStr;

use super::decimal;

/// A share from 0 to below 1, with a resolution of a billionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u32);

/// Invalid share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid share `{0}` (from 0% to below 100%, like 0.1%)")]
pub struct InvalidPercent(String);

/// The whole.
const WHOLE: u64 = 1_000_000_000;

impl Percent {
    /// The share in billionths.
    pub fn billionths(self) -> u32 {
        self.0
    }

    /// The share, from 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / WHOLE as f64
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;

    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let number = text.strip_suffix('%').map(str::trim_end);
        let parts = number.and_then(|number| decimal::times(number, WHOLE / 100));
        // A share that is too small to be kept is not none.
        let is_none = |text: &str| !text.contains(|digit| matches!(digit, '1'..='9'));
        let parts = parts.filter(|parts| *parts > 0 || number.is_some_and(is_none));
        let parts = parts.filter(|parts| *parts < WHOLE).and_then(|n| u32::try_from(n).ok());
        parts.map(Self).ok_or_else(|| InvalidPercent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal::show(self.0.into(), WHOLE / 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_per_cent_and_refuses_other_texts() {
        for (typed, parts) in [("0.1%", 1_000_000), ("0%", 0), ("50 %", 500_000_000)] {
            assert_eq!(typed.parse(), Ok(Percent(parts)), "{typed}");
        }
        for typed in ["", "%", "0.1", "100%", "-1%", "1e-3%", "NaN%", "0.00000001%"] {
            let error = typed.parse::<Percent>().unwrap_err().to_string();
            assert!(error.contains("like 0.1%"), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(parts in 0..WHOLE as u32) {
            let percent = Percent(parts);
            prop_assert_eq!(percent.to_string().parse(), Ok(percent));
        }
    }
}
