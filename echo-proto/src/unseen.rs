//! Characters that are invisible or that a terminal interprets: [`judged`] decides which
//! characters of a text may be shown as they are. Shared by the chat server and the programs
//! that write to a terminal.
//! Unfit are control characters but tab, the separators of lines and paragraphs, and
//! Not shown are control characters except tab, line and paragraph separators, and Unicode's
//! default-ignorable code points (directional marks, tags, fillers, soft hyphens), which hide
//! or reverse text. Of these, a joiner or an emoji variation selector is kept where it changes
//! the rendering: inside an emoji, after a virama, and between joining letters. Without them
//! 👩‍💻, می‌خواهم and ශ්‍රී would be misspelt.

use icu_properties::props::{
    BinaryProperty as _, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji,
    EmojiModifier, EnumeratedProperty as _, ExtendedPictographic, JoiningType,
};

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// The characters of `text`, each with whether it may be shown as it is.
pub(crate) fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = None;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let character = rest.next()?;
        let fit = is_fit(before, character, rest.peek().copied());
        before = fit.then_some(character);
        Some((character, fit))
    })
}

/// Whether `character` may be shown; `before` is the last character that was.
fn is_fit(before: Option<char>, character: char, after: Option<char>) -> bool {
    match character {
        '\t' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' => false,
        ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER => {
            before.is_some_and(|before| joins(before, character, after))
        }
        TEXT_STYLE | EMOJI_STYLE => before.is_some_and(|before| {
            // A digit is half of an emoji: the other half is the keycap.
            Emoji::for_char(before) && (!before.is_ascii() || after == Some(KEYCAP))
        }),
        _ => !character.is_control() && !DefaultIgnorableCodePoint::for_char(character),
    }
}

/// Whether a joiner (or non-joiner) between two characters changes the rendering: RFC 5892,
/// appendix A.1 and A.2, and emoji (UTS 51, ED-16).
fn joins(before: char, joiner: char, after: Option<char>) -> bool {
    let after_virama =
        CanonicalCombiningClass::for_char(before) == CanonicalCombiningClass::Virama;
    let between = after.is_some_and(|after| {
        let letters = is_joining_letter(before) && is_joining_letter(after);
        let begins = before == EMOJI_STYLE
            || EmojiModifier::for_char(before)
            || ExtendedPictographic::for_char(before);
        letters
            || joiner == ZERO_WIDTH_JOINER && begins && ExtendedPictographic::for_char(after)
    });
    after_virama || between
}

/// A letter of a script such as Arabic, whose form depends on its neighbours.
fn is_joining_letter(character: char) -> bool {
    matches!(
        JoiningType::for_char(character),
        JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `text` with `?` for what is unfit.
    fn marked(text: &str) -> String {
        judged(text).map(|(character, fit)| if fit { character } else { '?' }).collect()
    }

    #[test]
    fn what_is_not_seen_is_unfit() {
        for (text, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("a\u{1b}b\u{7f}c\u{9b}d\n", "a?b?c?d?"),
            ("line\u{2028}para\u{2029}", "line?para?"),
            // LRM, ALM, and an override.
            ("a\u{200e}b\u{61c}c\u{202e}d", "a?b?c?d"),
            // Tags, fillers, a soft hyphen, a zero width space, a variation of a letter.
            ("hi\u{e0068}\u{e0069}", "hi??"),
            ("\u{3164}\u{115f}\u{ffa0}", "???"),
            ("a\u{ad}b\u{200b}c\u{fe00}d\u{e0100}", "a?b?c?d?"),
            // Not assigned yet, and ignorable all the same.
            ("a\u{2065}\u{e0fff}", "a??"),
        ] {
            assert_eq!(marked(text), expected, "{text:?}");
        }
    }

    #[test]
    fn joiners_stay_where_they_change_what_is_seen_and_nowhere_else() {
        for text in ["👩‍💻", "❤️", "☺︎", "1️⃣", "👁️‍🗨️", "⛹🏻‍♀️", "👨‍👩‍👧", "می‌خواهم", "ශ්‍රී", "क्‍ष"]
        {
            assert_eq!(marked(text), text, "{:?}", text.escape_unicode().to_string());
        }
        for (text, expected) in [
            ("a\u{200d}b", "a?b"),
            ("a\u{200c}b", "a?b"),
            ("\u{200d}", "?"),
            ("👩\u{200d}", "👩?"),
            ("👩\u{200d}\u{200d}💻", "👩??💻"),
            ("👩\u{200c}💻", "👩?💻"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}?"),
            ("1\u{fe0f}", "1?"),
            ("x\u{fe0f}", "x?"),
        ] {
            assert_eq!(marked(text), expected, "{:?}", text.escape_unicode().to_string());
        }
    }

    fn ignorable() -> Vec<char> {
        ('\0'..=char::MAX).filter(|&c| DefaultIgnorableCodePoint::for_char(c)).collect()
    }

    proptest! {
        #[test]
        fn nothing_ignorable_stays_beside_letters(
            letters in "[a-zA-Z0-9äßпи漢]{1,6}",
            ignorable in prop::sample::select(ignorable()),
            at in 0usize..6,
        ) {
            let mut text: Vec<char> = letters.chars().collect();
            text.insert(at.min(text.len()), ignorable);
            let text: String = text.into_iter().collect();
            prop_assert_eq!(marked(&text).matches('?').count(), 1, "{:?}", text);
        }
    }
}
