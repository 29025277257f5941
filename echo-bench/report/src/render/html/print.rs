//! The signs of print, which a terminal may lack, in the place of a description's: [`signs`].

use crate::render::wrap::goes_on;

/// Between a number and its unit, and between thousands: no line break there.
pub(super) const NARROW_SPACE: char = '\u{202f}';

/// A phrase of ours with `≥`, `→`, `×`, `–` and spaces that do not break within numbers.
pub(super) fn signs(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split(' ') {
        if !shown.is_empty() {
            let number = shown.ends_with(|last: char| last.is_ascii_digit());
            shown.push(if number && goes_on(word) { NARROW_SPACE } else { ' ' });
        }
        let after_number = shown.ends_with(NARROW_SPACE);
        match word {
            "->" => shown.push('→'),
            "x" => shown.push('×'),
            "-" => shown.push('–'),
            _ => shown.push_str(&printed(word, after_number)),
        }
    }
    shown
}

fn printed(word: &str, after_number: bool) -> String {
    let word = word.replace(">=", "≥");
    let (low, high) = match word.split_once("..") {
        Some((low, high))
            if high.starts_with(|c: char| c.is_ascii_digit() || "+->".contains(c)) =>
        {
            (low.to_owned(), Some(high.to_owned()))
        }
        _ => (word, None),
    };
    let minus = |part: String| match part.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("−{rest}"),
        _ => part,
    };
    let Some(high) = high else { return minus(low) };
    // Signs and units within a range need room.
    let tight = !after_number && !high.starts_with(['+', '-']);
    let room = if tight { "" } else { "\u{202f}" };
    format!("{}{room}–{room}{}", minus(low), minus(high))
}

#[cfg(test)]
mod tests {
    use super::signs;

    #[test]
    fn numbers_are_printed_and_words_are_left() {
        for (text, shown) in [
            ("115..120 µs", "115–120\u{202f}µs"),
            ("80.0 µs..394 ms", "80.0\u{202f}µs\u{202f}–\u{202f}394\u{202f}ms"),
            ("2 499..2 501", "2\u{202f}499\u{202f}–\u{202f}2\u{202f}501"),
            (">= 5.00 ms", "≥ 5.00\u{202f}ms"),
            ("~7.89 ms", "~7.89\u{202f}ms"),
            ("31 200 over 2.000 s", "31\u{202f}200 over 2.000\u{202f}s"),
            ("4 of 4 in 3.89 µs, 4 alive", "4 of 4 in 3.89\u{202f}µs, 4 alive"),
            ("2 connections x 1 in flight", "2 connections × 1 in flight"),
            ("64-byte messages", "64-byte messages"),
            ("use --rate", "use --rate"),
            ("+0.000..-0.010 points", "+0.000\u{202f}–\u{202f}−0.010 points"),
            ("100 % of us", "100\u{202f}% of us"),
            ("true -> false", "true → false"),
            ("-", "–"),
        ] {
            assert_eq!(signs(text), shown);
        }
    }
}
