//! The type of service of packets: [`Tos`], typed as `16` or `0x10`.

use std::fmt;
use std::str::FromStr;

/// The type of service field (IPv4) or traffic class (IPv6): DSCP (RFC 2474) times four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tos(pub u8);

/// Invalid type of service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid type of service `{0}` (a number from 0 to 255 like 16 or 0x10: DSCP times four)"
)]
pub struct InvalidTos(String);

impl FromStr for Tos {
    type Err = InvalidTos;

    fn from_str(text: &str) -> Result<Self, InvalidTos> {
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
        // Otherwise a sign would be accepted, too.
        let number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = number.then(|| u8::from_str_radix(digits, radix).ok()).flatten();
        number.map(Self).ok_or_else(|| InvalidTos(text.to_owned()))
    }
}

impl fmt::Display for Tos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_and_hexadecimal_are_the_same_number() {
        for (typed, tos) in [("0", 0), ("16", 16), ("0x10", 16), ("0XB8", 184), ("255", 255)] {
            assert_eq!(typed.parse(), Ok(Tos(tos)));
            assert_eq!(Tos(tos).to_string().parse(), Ok(Tos(tos)));
        }
        for odd in ["", "256", "-1", "+1", "0x", "0x100", "b8", "1.5"] {
            let told = odd.parse::<Tos>().unwrap_err().to_string();
            assert!(told.contains("0 to 255"), "{told}");
        }
    }
}
