//! Who a client says it is: [`PostgresLogin`].

use crate::Secret;

/// Who a client says it is, and what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresLogin {
    pub(super) user: String,
    pub(super) database: Option<String>,
    pub(super) password: Option<Secret>,
}

/// A name or password that no startup packet can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogin {
    /// No user.
    #[error("the PostgreSQL user is empty")]
    NoUser,
    /// A zero byte.
    #[error("a PostgreSQL user, database or password can't contain a NUL byte")]
    Nul,
    /// Far too long.
    #[error("a PostgreSQL user or database has at most {MOST} bytes")]
    Long,
    /// Longer than a server reads.
    #[error("a PostgreSQL password has at most {MOST_PASSWORD} bytes (see PGPASSWORD)")]
    LongPassword,
}

/// Bytes of a name: several fit into a startup packet.
const MOST: usize = 1024;

/// Bytes of a password, which may be a token that a cloud provider issues. A server reads a
/// message of at most 64 KiB.
const MOST_PASSWORD: usize = 32 * 1024;

impl PostgresLogin {
    /// A user, the database (none: of the user's name) and the password, if there is one.
    ///
    /// # Errors
    /// What can't be sent.
    pub fn new(
        user: String,
        database: Option<String>,
        password: Option<Secret>,
    ) -> Result<Self, InvalidLogin> {
        let login = Self { user, database, password };
        if login.user.is_empty() {
            return Err(InvalidLogin::NoUser);
        }
        let password = login.password.as_ref().map(Secret::reveal);
        for (text, most, long) in [
            (Some(&login.user[..]), MOST, InvalidLogin::Long),
            (login.database.as_deref(), MOST, InvalidLogin::Long),
            (password, MOST_PASSWORD, InvalidLogin::LongPassword),
        ] {
            let text = text.unwrap_or_default();
            if text.contains('\0') {
                return Err(InvalidLogin::Nul);
            }
            if text.len() > most {
                return Err(long);
            }
        }
        Ok(login)
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database; none: of the user's name.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The same, with this password.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn with_password(self, password: Option<Secret>) -> Result<Self, InvalidLogin> {
        Self::new(self.user, self.database, password)
    }
}

/// The user of a server that lets everyone in.
impl Default for PostgresLogin {
    fn default() -> Self {
        Self { user: "echo".to_owned(), database: None, password: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_packet_can_hold_is_refused_and_a_password_is_never_shown() {
        let login = |user: &str, password: &str| {
            PostgresLogin::new(user.to_owned(), None, Some(Secret::from(password.to_owned())))
        };
        assert_eq!(login("", ""), Err(InvalidLogin::NoUser));
        assert_eq!(login("a\0b", ""), Err(InvalidLogin::Nul));
        assert_eq!(login("a", "\0"), Err(InvalidLogin::Nul));
        assert_eq!(login(&"x".repeat(1025), ""), Err(InvalidLogin::Long));
        // Tokens of cloud providers have several KiB.
        assert!(login("a", &"x".repeat(32 * 1024)).is_ok());
        let long = login("a", &"x".repeat(32 * 1024 + 1));
        assert_eq!(long, Err(InvalidLogin::LongPassword));
        let shown = format!("{:?}", login("me", "hidden").unwrap());
        assert!(shown.contains("me") && !shown.contains("hidden"), "{shown}");
    }
}
