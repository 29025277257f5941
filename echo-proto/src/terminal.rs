//! Escapes text from the network or a file for a terminal: [`escape`], and [`printable`] for
//! complete output. A peer must not be able to move the cursor, set the title, paste commands
//! or reverse text.

use std::fmt::Write as _;

use crate::unseen::judged;

/// Appends `text` to `shown` and escapes everything that a terminal interprets or does not
/// show: control characters except newline and tab, directional marks, and other invisible
/// characters except those that shape an emoji or a letter. Bytes that are not UTF-8 become
/// `\xff`.
///
/// A backslash is doubled, so escapes are unambiguous: no two texts look the same.
pub fn escape(text: &[u8], shown: &mut String) {
    for chunk in text.utf8_chunks() {
        for (character, fit) in judged(chunk.valid()) {
            escape_character(character, fit, shown);
        }
        for byte in chunk.invalid() {
            escape_byte(*byte, shown);
        }
    }
}

/// `text` escaped as by [`escape`], except backslashes: for program output, parts of which may
/// come from a peer or a file, escaped already or not. Idempotent.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive('\\') {
        let (plain, backslash) = part.split_at(part.trim_end_matches('\\').len());
        escape(plain.as_bytes(), &mut shown);
        shown.push_str(backslash);
    }
    shown
}

/// The same on one line: newlines and tabs are escaped too, so that part of a line can't pass
/// for another line.
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn escape_character(character: char, fit: bool, shown: &mut String) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push(character),
        _ if fit => shown.push(character),
        '\0'..='\x1f' | '\x7f' => escape_byte(character as u8, shown),
        // Writing to a String can't fail.
        _ => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
    }
}

fn escape_byte(byte: u8, shown: &mut String) {
    let _ = write!(shown, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut shown = String::new();
        escape(text, &mut shown);
        shown
    }

    #[test]
    fn shows_what_a_terminal_would_obey() {
        for (text, shown) in [
            (&b"plain text\twith a tab\n"[..], "plain text\twith a tab\n"),
            ("straße 🇩🇪".as_bytes(), "straße 🇩🇪"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"over\rwritten\x08\x7f", "over\\x0dwritten\\x08\\x7f"),
            ("C1 \u{9b}31m".as_bytes(), "C1 \\u{9b}31m"),
            (b"raw C1 \x9b31m", "raw C1 \\x9b31m"),
            ("exe.\u{202e}gpj".as_bytes(), "exe.\\u{202e}gpj"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"\\x1b", "\\\\x1b"),
            ("a\u{200e}b\u{e0041}\u{3164}".as_bytes(), "a\\u{200e}b\\u{e0041}\\u{3164}"),
            ("new\u{2028}line".as_bytes(), "new\\u{2028}line"),
            ("👩‍💻 ❤️ می‌خواهم".as_bytes(), "👩‍💻 ❤️ می‌خواهم"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    /// What [`escape`] made, turned back.
    fn unescaped(shown: &str) -> Vec<u8> {
        let mut text = Vec::new();
        let mut rest = shown;
        while let Some(character) = rest.chars().next() {
            let escape = rest.strip_prefix('\\');
            if let Some(byte) = escape.and_then(|escape| escape.strip_prefix('x')) {
                text.push(u8::from_str_radix(&byte[..2], 16).unwrap());
                rest = &byte[2..];
            } else if let Some(code) = escape.and_then(|escape| escape.strip_prefix("u{")) {
                let (code, after) = code.split_once('}').unwrap();
                let code = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
                text.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            } else {
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = escape.map_or(&rest[character.len_utf8()..], |escape| &escape[1..]);
            }
        }
        text
    }

    #[test]
    fn what_a_program_composes_keeps_its_backslashes_and_lines() {
        let text = "a\n\\x1b\\\\ \x1b[2J\u{202e}\t\u{9b}";
        let shown = "a\n\\x1b\\\\ \\x1b[2J\\u{202e}\t\\u{9b}";
        assert_eq!(printable(text), shown);
        assert_eq!(printable(shown), shown);
        assert_eq!(one_line("a\n\tb\r"), "a\\n\\tb\\x0d");
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_obey_and_nothing_is_lost(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                any::<String>().prop_map(String::into_bytes),
                r"[\\xu{}0-9a-f\x1b\u{9b}\u{202e}]*".prop_map(String::into_bytes),
            ],
        ) {
            let shown = escaped(&text);
            let obeyed = judged(&shown).find(|&(character, fit)| !fit && character != '\n');
            prop_assert_eq!(obeyed, None);
            prop_assert_eq!(unescaped(&shown), text);
        }
    }
}
