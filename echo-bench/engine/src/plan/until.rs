//! When a run may end before its time: [`Until`], typed like `p99+-5%`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A run that may end early does so after this part of its duration at the earliest: 1/16.
pub const EARLIEST_END: u64 = 16;

/// The run ends once the 95 % interval of a percentile of the response latency is so narrow,
/// and after its duration at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Until {
    /// The percentile, from 0 to 1.
    pub quantile: f64,
    /// How far the ends of the interval may lie from its value, as a share of that.
    pub within: f64,
}

/// A text that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid precision `{0}`: write a percentile and a share of it below 100 %, like p99+-5%"
)]
pub struct InvalidUntil(String);

impl Until {
    /// Whether percentile and width lie within their ranges.
    pub(super) fn is_sensible(&self) -> bool {
        let inside = |share: f64| share > 0.0 && share < 1.0;
        inside(self.quantile) && inside(self.within)
    }
}

/// The quantile that a name like `p99` or `p99.9` means, above 0 and below 1.
pub fn percentile(name: &str) -> Option<f64> {
    share(name.strip_prefix('p')?)
}

/// So many per cent as a share, if it is above 0 and below 1.
pub fn share(percent: &str) -> Option<f64> {
    // Read with its exponent: 99.9 / 100.0 is not 0.999.
    let share = format!("{}e-2", percent.trim()).parse::<f64>().ok()?;
    (share > 0.0 && share < 1.0).then_some(share)
}

/// A share in per cent, without the sign.
pub fn percent(share: f64) -> String {
    // Percentages like 99.9 are not exact in binary; nine digits hide that.
    let percent = format!("{:.9}", share * 100.0);
    percent.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl FromStr for Until {
    type Err = InvalidUntil;

    fn from_str(text: &str) -> Result<Self, InvalidUntil> {
        let parts = ["\u{b1}", "+-", "+/-"].iter().find_map(|sign| text.split_once(sign));
        let parsed = parts.and_then(|(name, width)| {
            let quantile = percentile(name.trim())?;
            Some(Self { quantile, within: share(width.trim().strip_suffix('%')?)? })
        });
        parsed.ok_or_else(|| InvalidUntil(text.to_owned()))
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}+-{}%", percent(self.quantile), percent(self.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_percentile_and_how_near() {
        for (text, quantile, within, shown) in [
            ("p99\u{b1}5%", 0.99, 0.05, "p99+-5%"),
            ("p99+-5%", 0.99, 0.05, "p99+-5%"),
            ("p99.9 +/- 2.5 %", 0.999, 0.025, "p99.9+-2.5%"),
            ("p50+-0.1%", 0.5, 0.001, "p50+-0.1%"),
        ] {
            let until: Until = text.parse().unwrap();
            assert_eq!(until, Until { quantile, within }, "{text}");
            assert_eq!(until.to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "p99",
            "p99+-",
            "p99+-5",
            "99+-5%",
            "p100+-5%",
            "p99+-0%",
            "p99+-100%",
            "p99<5ms",
        ] {
            let told = text.parse::<Until>().unwrap_err().to_string();
            assert!(told.contains("like p99+-5%"), "{text}: {told}");
        }
    }
}
