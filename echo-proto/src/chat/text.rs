//! What a member may send to the others: [`cleaned`].

use std::borrow::Cow;

/// The text with every control character but tab replaced by U+FFFD (C0, DEL, C1), and
/// what would turn the direction of the text around it or part it into lines.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unfit) {
        return Cow::Borrowed(text);
    }
    let replaced = |c| if is_unfit(c) { char::REPLACEMENT_CHARACTER } else { c };
    Cow::Owned(text.chars().map(replaced).collect())
}

fn is_unfit(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Some terminals begin a new line at these.
    let parts = matches!(c, '\u{2028}' | '\u{2029}');
    (c.is_control() && c != '\t') || turns || parts
}
