//! Reports HTTP status codes other than success: [`Statuses`]. Prints nothing.

use echo_client::connection::Answer;

/// Maximum number of replies reported individually.
const NAMED: u64 = 5;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    replies: u64,
    failed: u64,
}

impl Statuses {
    /// The message for the next reply, if any.
    pub(crate) fn of(&mut self, answer: &Answer<'_>) -> Option<String> {
        self.replies += 1;
        let status = answer.failed_status()?;
        self.failed += 1;
        let reply = self.replies;
        (self.failed <= NAMED).then(|| format!("reply {reply}: status {status}"))
    }

    /// The message for replies that were not reported individually.
    pub(crate) fn rest(&self) -> Option<String> {
        match self.failed.saturating_sub(NAMED) {
            0 => None,
            1 => Some("1 more reply with an error status".to_owned()),
            more => Some(format!("{more} more replies with an error status")),
        }
    }
}
