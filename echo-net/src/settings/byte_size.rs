//! A size in bytes: [`ByteSize`], typed as `64`, `4K`, `16KiB` or `1MiB`.

use std::fmt;
use std::str::FromStr;

use super::decimal;

/// A size in bytes. `K` and `KiB` are both 1024, as usual for buffers. A parsed value never
/// exceeds the largest possible buffer (`isize::MAX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub usize);

/// Invalid size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid size `{0}` (use bytes, or a number with K, M or G, like 64, 4K or 1MiB)")]
pub struct InvalidByteSize(String);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

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
            _ => None,
        };
        factor
            .and_then(|factor| decimal::times(number, factor))
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| isize::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or_else(|| InvalidByteSize(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in UNITS {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
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
        ] {
            assert_eq!(typed.parse(), Ok(ByteSize(bytes)), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_size_and_names_the_remedy() {
        for typed in ["", "K", "-1", "1T", "1.5", "4 K", "0x10", "99999999999G", "8589934592G"]
        {
            let error = typed.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains("like 64, 4K or 1MiB"), "{typed}: {error}");
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
        fn what_is_shown_reads_back(bytes in any::<usize>(), shift in 0..40_u32) {
            let size = ByteSize(bytes >> 1 >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
