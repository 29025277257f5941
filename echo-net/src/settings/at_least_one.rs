//! Positive numbers: [`at_least_one`], for the standard library's non-zero types, whose own
//! message ("number would be zero for non-zero type") means nothing to users.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Zero, or not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAtLeastOne {
    /// Nothing would be done.
    #[error("must be at least 1")]
    Zero,
    /// Not a number, or too large.
    #[error(transparent)]
    NoNumber(ParseIntError),
}

/// Parses a positive number.
///
/// # Errors
/// When it is zero or not a number.
pub fn at_least_one<T>(typed: &str) -> Result<T, NotAtLeastOne>
where
    T: FromStr<Err = ParseIntError>,
{
    typed.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::Zero => NotAtLeastOne::Zero,
        _ => NotAtLeastOne::NoNumber(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU16, NonZeroU64};

    #[test]
    fn zero_is_told_in_the_words_of_whoever_types() {
        assert_eq!(at_least_one("1"), Ok(NonZeroU16::MIN));
        for zero in ["0", "000"] {
            let error = at_least_one::<NonZeroU64>(zero).unwrap_err();
            assert_eq!(error.to_string(), "must be at least 1");
        }
        let error = at_least_one::<NonZeroU16>("65536").unwrap_err();
        assert_eq!(error.to_string(), "number too large to fit in target type");
    }
}
