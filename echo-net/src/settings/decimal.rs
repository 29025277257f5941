//! Decimal numbers with a unit, parsed without rounding: `2.5` of 1000 is exactly 2500.

/// Splits `text` into a leading number and the rest.
pub(super) fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// `number` times `unit`; a fraction below one is truncated. `None` if it is not a number or
/// overflows a `u64`.
pub(super) fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut sum = u128::from(digits(whole)?) * u128::from(unit);
    let mut unit = u128::from(unit);
    let mut parts = 0;
    let mut scale = 1_u128;
    // Further digits are validated, but can't change the result.
    for digit in fraction.bytes() {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        if scale < 1_000_000_000_000_000 {
            scale *= 10;
            parts = parts * 10 + u128::from(digit);
        }
    }
    unit = unit * parts / scale;
    sum += unit;
    u64::try_from(sum).ok()
}

fn digits(text: &str) -> Option<u64> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

/// Formats `amount` in units of `unit` without rounding: `2500` by 1000 is `2.5`.
pub(super) fn show(amount: u64, unit: u64) -> String {
    let (whole, rest) = (amount / unit, amount % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_without_rounding() {
        for (number, unit, product) in [
            ("7", 1, Some(7)),
            ("2.5", 1000, Some(2500)),
            (".5", 10, Some(5)),
            ("1.", 10, Some(10)),
            ("0.000000001", 1_000_000_000, Some(1)),
            ("1.9", 1, Some(1)),
            ("18446744073709551615", 1, Some(u64::MAX)),
            ("18446744073709551615", 2, None),
            ("99999999999999999999", 1, None),
            ("", 1, None),
            (".", 1, None),
            ("1.2.3", 1, None),
            ("1.+3", 1, None),
        ] {
            assert_eq!(times(number, unit), product, "{number} x {unit}");
        }
    }

    #[test]
    fn shows_a_fraction_without_trailing_zeros() {
        assert_eq!(show(2500, 1000), "2.5");
        assert_eq!(show(3000, 1000), "3");
        assert_eq!(show(1_000_001, 1_000_000), "1.000001");
    }
}
