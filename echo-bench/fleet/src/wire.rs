//! Bytes from and for the bus: bounded, and as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest text in a message.
const MOST_TEXT: usize = 2000;

/// A message that is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Too large.
    #[error("{bytes} bytes are more than the {most} of the largest message")]
    Large {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Not what was expected.
    #[error("not a message that this version knows: {0}")]
    Invalid(String),
    /// Of another version.
    #[error("of version `{found}`, and this side speaks {known} (install the same version)")]
    Schema {
        /// Of the message.
        found: String,
        /// Of this side.
        known: &'static str,
    },
}

impl Unreadable {
    pub(crate) fn schema(found: &str, known: &'static str) -> Self {
        Self::Schema { found: shortened(found), known }
    }
}

/// Reads what has at most so many bytes.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<T, Unreadable> {
    if bytes.len() > most {
        return Err(Unreadable::Large { bytes: bytes.len(), most });
    }
    // It may repeat what it was given, which may be anything.
    let invalid = |error: serde_json::Error| {
        Unreadable::Invalid(shortened(&printable(&error.to_string())))
    };
    serde_json::from_slice(bytes).map_err(invalid)
}

/// As bytes.
pub(crate) fn written(message: &impl Serialize) -> Vec<u8> {
    // Plain data with names as keys, which has no way to fail.
    serde_json::to_vec(message).unwrap_or_default()
}

/// A text for a message and for a log: bounded, and without what a terminal obeys.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).take(MOST_TEXT).collect()
}

/// What an error repeats of a stranger's text: its beginning, without what a terminal obeys.
pub(crate) fn shortened(text: &str) -> String {
    let shown: String = printable(text).chars().take(60).collect();
    if shown.len() < text.len() { format!("{shown}...") } else { shown }
}
