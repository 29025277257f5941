//! A size in bytes: [`ByteSize`], typed as `64`, `4K`, `16KiB` or `1MiB`, of at most 1 TiB.

use std::fmt;
use std::str::FromStr;

use super::decimal;

/// The largest size that can be typed: 1 TiB. Sizes are added to offsets, which must not
/// overflow.
pub const MOST_BYTES: u64 = 1 << 40;

/// A size in bytes. `K` and `KiB` are both 1024, as usual for buffers. A parsed value never
/// exceeds [`MOST_BYTES`] and the largest possible buffer (`isize::MAX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub usize);

/// Invalid size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidByteSize {
    /// Not a size.
    #[error("invalid size `{0}` (use bytes, or a number with K, M or G, like 64, 4K or 1MiB)")]
    Malformed(String),
    /// Over the largest size.
    #[error("the size `{0}` is too large (the maximum is 1TiB)")]
    TooLarge(String),
}

const UNITS: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let (number, unit) = decimal::split(text);
        let factor = match unit.to_ascii_lowercase().as_str() {
            // A fraction of a byte is probably a typo.
            "" | "b" if !number.contains('.') => Some(1),
            "k" | "kb" | "kib" => Some(1 << 10),
            "m" | "mb" | "mib" => Some(1 << 20),
            "g" | "gb" | "gib" => Some(1 << 30),
            "t" | "tb" | "tib" => Some(1 << 40),
            _ => None,
        };
        let is_number = number.contains(|letter: char| letter.is_ascii_digit())
            && number.matches('.').count() <= 1;
        let Some(factor) = factor.filter(|_| is_number) else {
            return Err(InvalidByteSize::Malformed(text.to_owned()));
        };
        decimal::times(number, factor)
            .filter(|bytes| *bytes <= MOST_BYTES && isize::try_from(*bytes).is_ok())
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| InvalidByteSize::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        for (unit, factor) in UNITS {
            if bytes >= factor && bytes.is_multiple_of(factor) {
                return write!(f, "{}{unit}", bytes / factor);
            }
        }
        write!(f, "{bytes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_that_people_type() {
        for (typed, bytes) in [
            ("64", 64),
            ("0", 0),
            ("4K", 4096),
            ("4k", 4096),
            ("16KiB", 16384),
            ("1M", 1 << 20),
            ("1MiB", 1 << 20),
            ("1.5K", 1536),
            ("1GiB", 1 << 30),
            ("0.5TiB", 1 << 39),
        ] {
            assert_eq!(typed.parse(), Ok(ByteSize(bytes)), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_size_and_names_the_remedy() {
        for typed in ["", "K", ".K", "1.2.3K", "-1", "1P", "1.5", "4 K", "0x10"] {
            let error = typed.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains("like 64, 4K or 1MiB"), "{typed}: {error}");
        }
    }

    /// A length near the largest number would wrap where it is added to an offset.
    #[test]
    fn refuses_what_no_buffer_can_have_and_names_the_maximum() {
        assert_eq!("1024G".parse(), Ok(ByteSize(1 << 40)));
        for typed in ["1025G", "1099511627777", "18446744073709551615", "99999999999999999999T"]
        {
            let error = typed.parse::<ByteSize>().unwrap_err().to_string();
            let expected = format!("the size `{typed}` is too large (the maximum is 1TiB)");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn shows_the_largest_unit_that_fits_exactly() {
        for (bytes, shown) in
            [(0, "0"), (100, "100"), (16384, "16KiB"), (1 << 20, "1MiB"), (1025, "1025")]
        {
            assert_eq!(ByteSize(bytes).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in 0..=MOST_BYTES as usize, shift in 0..40_u32) {
            let size = ByteSize(bytes >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
