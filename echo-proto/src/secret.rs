//! A password: [`Secret`].

use std::fmt;
use std::ops::Range;

/// A password, which is never shown, logged or stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, to be sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` of a peer with `***` wherever it repeats the password as a word of its own. Not where
    /// the password is the `user`'s name: the text names the user, and gives nothing away thereby.
    pub(crate) fn masked(&self, text: &[u8], user: &str) -> Vec<u8> {
        let secret = self.0.as_bytes();
        if secret.is_empty() || self.0 == user {
            return text.to_vec();
        }
        let (mut shown, mut from, mut sought) = (Vec::new(), 0, 0);
        while let Some(found) = memchr::memmem::find(&text[sought..], secret) {
            let (start, end) = (sought + found, sought + found + secret.len());
            sought = start + 1;
            if is_word(text, start..end) {
                shown.extend_from_slice(&text[from..start]);
                shown.extend_from_slice(b"***");
                (from, sought) = (end, end);
            }
        }
        shown.extend_from_slice(&text[from..]);
        shown
    }
}

/// Whether letters and digits do not go on beyond either end of `range`. A short password would
/// otherwise be found within the words of any text.
fn is_word(text: &[u8], range: Range<usize>) -> bool {
    // Bytes beyond ASCII are parts of letters.
    let is_letter = |at: usize| {
        text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte > 127)
    };
    let begins_within = range.start > 0 && is_letter(range.start - 1) && is_letter(range.start);
    let ends_within = is_letter(range.end - 1) && is_letter(range.end);
    !begins_within && !ends_within
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_where_it_stands_alone_and_all_else_is_kept() {
        for (password, text, shown) in [
            ("hidden", "unknown command 'hidden hidden'", "unknown command '*** ***'"),
            (
                "a",
                "authentication failed for user \"bob\"",
                "authentication failed for user \"bob\"",
            ),
            ("a", "`a`, with a", "`***`, with ***"),
            ("$a$", "x$a$x", "x***x"),
            ("a b", "a ba b", "a ba b"),
            ("a-a", "xa-a-a", "xa-***"),
            ("p\u{e4}", "p\u{e4}p\u{e4} p\u{e4}", "p\u{e4}p\u{e4} ***"),
            (
                "bob",
                "password authentication failed for user \"bob\"",
                "password authentication failed for user \"bob\"",
            ),
            ("", "text", "text"),
        ] {
            let masked = Secret::from(password.to_owned()).masked(text.as_bytes(), "bob");
            assert_eq!(String::from_utf8(masked).unwrap(), shown, "{password}");
        }
    }
}
