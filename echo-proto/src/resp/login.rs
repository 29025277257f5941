//! Who a client of a Redis says it is: [`RespLogin`].

use crate::Secret;

/// The user of who names none.
const USUAL_USER: &str = "default";

/// Who a client says it is, and what it wants. By default nobody in particular: nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RespLogin {
    /// The user; none: `default`. Without a password it means nothing.
    pub user: Option<String>,
    /// The password, if one is to be given.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
    /// Whether RESP3 is asked for.
    pub resp3: bool,
}

impl RespLogin {
    /// Whether nothing is said before requests.
    pub fn is_silent(&self) -> bool {
        self.password.is_none() && self.database == 0 && !self.resp3
    }

    /// The error of a server that refuses it, without the password: who does not know a command
    /// repeats its arguments, cut anywhere.
    pub(super) fn shown(&self, error: &[u8]) -> Vec<u8> {
        const ARGUMENTS: &[u8] = b", with args beginning with";
        let end = memchr::memmem::find(error, ARGUMENTS).unwrap_or(error.len());
        let error = &error[..end];
        let password = self.password.as_ref();
        let user = self.user.as_deref().unwrap_or(USUAL_USER);
        password.map_or_else(|| error.to_vec(), |password| password.masked(error, user))
    }
}
