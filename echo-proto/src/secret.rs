//! A password: [`Secret`].

use std::fmt;

/// A password, which is never shown, logged or stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, to be sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` of a peer with `***` wherever it repeats the password.
    pub(crate) fn masked(&self, text: &[u8]) -> Vec<u8> {
        let secret = self.0.as_bytes();
        if secret.is_empty() {
            return text.to_vec();
        }
        let (mut shown, mut from) = (Vec::new(), 0);
        for found in memchr::memmem::find_iter(text, secret) {
            shown.extend_from_slice(&text[from..found]);
            shown.extend_from_slice(b"***");
            from = found + secret.len();
        }
        shown.extend_from_slice(&text[from..]);
        shown
    }
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
