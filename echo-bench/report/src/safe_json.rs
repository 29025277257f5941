//! JSON, and pages that hold it, made fit for a terminal: [`safe_json`]. JSON has escapes of its
//! own, so that what is read back is the same.

use std::fmt::Write;

use echo_proto::terminal;

/// `text` with every character that a terminal would obey as `\uXXXX`. In JSON that is the same
/// character, and only strings can hold one; in the text of a page it is shown as it stands.
pub(crate) fn safe_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

fn is_obeyed(character: char) -> bool {
    // Nearly all of a document needs no closer look.
    let plain = character.is_ascii_graphic() || matches!(character, ' ' | '\n' | '\t');
    !plain && terminal::printable(character.encode_utf8(&mut [0; 4])).starts_with('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_json_without_what_a_terminal_obeys() {
        let told = "a\u{1b}[31m \u{9b}2J \u{202e} \u{7f} \\ \" µ 🇩🇪\n";
        let json = serde_json::to_string_pretty(&serde_json::json!({ told: [told] })).unwrap();
        let safe = safe_json(&json);
        assert_eq!(terminal::printable(&safe), safe);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            serde_json::from_str::<serde_json::Value>(&json).unwrap()
        );
    }
}
