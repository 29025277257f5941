//! What a server says who lets nobody in: [`Refused`].

use crate::{ProtocolKind, terminal};

/// Bytes of the text that are shown.
const MOST_SHOWN: usize = 512;

/// What a server said to a client that it did not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server refused the connection: {0}")]
pub struct Refused(String);

impl Refused {
    /// With the server's text, as much of it as is worth showing, and safe to be shown.
    pub fn new(text: &[u8]) -> Self {
        let mut shown = String::new();
        terminal::escape(&text[..text.len().min(MOST_SHOWN)], &mut shown);
        Self(shown)
    }

    /// Whether the password was wrong, and the protocol in which it was given.
    pub fn is_about_password(&self) -> Option<ProtocolKind> {
        let begins = |all: &[&str]| all.iter().any(|begin| self.0.starts_with(begin));
        if begins(&["28P01: "]) {
            return Some(ProtocolKind::Postgres);
        }
        begins(&["WRONGPASS ", "NOAUTH ", "ERR AUTH ", "ERR invalid password"])
            .then_some(ProtocolKind::Resp)
    }

    /// Whether there is no such user of a PostgreSQL, or no rule by which it may log in.
    pub fn is_about_access(&self) -> bool {
        self.0.starts_with("28000: ")
    }

    /// Whether there is no such database.
    pub fn is_about_database(&self) -> bool {
        self.0.starts_with("3D000: ")
    }
}
