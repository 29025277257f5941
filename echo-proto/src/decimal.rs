//! Decimal numbers in a byte stream: [`append`] and [`parse`]. No sign, no allocation.

/// Maximum number of digits of a `usize`.
const MOST_DIGITS: usize = 20;

/// Room for the digits of any number.
pub(crate) type Room = [u8; MOST_DIGITS];

/// Appends `number` in decimal.
pub(crate) fn append(number: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(digits(number, &mut [0; MOST_DIGITS]));
}

/// The digits of `number`, which are put into `room`.
pub(crate) fn digits(mut number: usize, room: &mut Room) -> &[u8] {
    let mut start = MOST_DIGITS;
    loop {
        start -= 1;
        room[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    &room[start..]
}

/// Parses `digits`; `None` for anything else and on overflow.
pub(crate) fn parse(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_parsed() {
        for number in [0, 1, 9, 10, 65_536, usize::MAX] {
            let mut text = Vec::new();
            append(number, &mut text);
            assert_eq!(text, number.to_string().into_bytes());
            assert_eq!(parse(&text), Some(number));
        }
    }

    #[test]
    fn anything_but_digits_is_no_number() {
        for text in ["", "-1", "+1", " 1", "1 ", "1a", "99999999999999999999999"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
