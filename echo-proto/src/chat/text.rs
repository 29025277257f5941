//! Sanitizes what members send to each other: [`cleaned`].

use std::borrow::Cow;

use crate::unseen::judged;

/// The text with U+FFFD for every character that is invisible or that a terminal interprets.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    if judged(text).all(|(_, fit)| fit) {
        return Cow::Borrowed(text);
    }
    let replaced = |(character, fit)| if fit { character } else { char::REPLACEMENT_CHARACTER };
    Cow::Owned(judged(text).map(replaced).collect())
}
