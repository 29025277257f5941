//! What a member may send to the others: [`cleaned`].

use std::borrow::Cow;

use crate::unseen::judged;

/// The text with U+FFFD for every character that is not seen or that a terminal obeys.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    if judged(text).all(|(_, fit)| fit) {
        return Cow::Borrowed(text);
    }
    let replaced = |(character, fit)| if fit { character } else { char::REPLACEMENT_CHARACTER };
    Cow::Owned(judged(text).map(replaced).collect())
}
