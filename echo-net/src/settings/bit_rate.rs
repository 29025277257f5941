//! The speed of a link in bits per second: [`BitRate`], typed as `100M`, `1.5G` or `64k`.

use std::fmt;
use std::str::FromStr;

use super::decimal;

/// Bits per second, at least 1. `K`, `M` and `G` are powers of 1000, as usual for links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u64);

/// Invalid speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid speed `{0}` (bits per second, from 1 to 1000G, like 64K, 100M or 1.5G)")]
pub struct InvalidBitRate(String);

const UNITS: [(&str, u64); 3] = [("G", 1_000_000_000), ("M", 1_000_000), ("K", 1_000)];

/// The fastest.
const MOST: u64 = 1_000 * UNITS[0].1;

impl BitRate {
    /// Bits per second.
    pub fn per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for BitRate {
    type Err = InvalidBitRate;

    fn from_str(text: &str) -> Result<Self, InvalidBitRate> {
        let (number, unit) = decimal::split(text);
        let unit = unit.to_ascii_lowercase();
        let unit = unit.strip_suffix("bit/s").or(unit.strip_suffix("bit")).unwrap_or(&unit);
        let factor = match unit {
            "" => Some(1),
            "k" => Some(UNITS[2].1),
            "m" => Some(UNITS[1].1),
            "g" => Some(UNITS[0].1),
            _ => None,
        };
        let bits = factor.and_then(|factor| decimal::times(number, factor));
        bits.filter(|bits| (1..=MOST).contains(bits))
            .map(Self)
            .ok_or_else(|| InvalidBitRate(text.to_owned()))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, factor)| self.0 >= *factor);
        let (name, factor) = unit.copied().unwrap_or(("", 1));
        write!(f, "{}{name}", decimal::show(self.0, factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_that_people_type() {
        for (typed, bits, shown) in [
            ("100M", 100_000_000, "100M"),
            ("1.5g", 1_500_000_000, "1.5G"),
            ("64kbit", 64_000, "64K"),
            ("10Mbit/s", 10_000_000, "10M"),
            ("9600", 9_600, "9.6K"),
            ("300", 300, "300"),
        ] {
            assert_eq!(typed.parse(), Ok(BitRate(bits)), "{typed}");
            assert_eq!(BitRate(bits).to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_no_speed_and_names_the_remedy() {
        for typed in ["", "0", "M", "-1", "1T", "1001G", "10MB", "1e6"] {
            let error = typed.parse::<BitRate>().unwrap_err().to_string();
            assert!(error.contains("like 64K, 100M"), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(bits in 1..MOST) {
            let rate = BitRate(bits);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }
}
