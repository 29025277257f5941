//! Numbers of which there must be one: [`at_least_one`], for the standard library's types
//! that can't be zero. These say "number would be zero for non-zero type" themselves, which
//! means nothing to whoever typed it.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// A text that is no number, or zero.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAtLeastOne {
    /// Nothing would be done.
    #[error("must be at least 1")]
    Zero,
    /// No number, or one that is too large.
    #[error(transparent)]
    NoNumber(ParseIntError),
}

/// Reads a number that can't be zero.
///
/// # Errors
/// When it is zero, or none.
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
