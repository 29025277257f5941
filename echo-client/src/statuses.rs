//! The replies whose status is no success, as they are told beside their bodies: [`Statuses`].
//! Prints nothing.

use echo_client::connection::Answer;

/// Replies that are told one by one.
const NAMED: u64 = 5;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    replies: u64,
    failed: u64,
}

impl Statuses {
    /// What is to be told of the next reply, if anything.
    pub(crate) fn of(&mut self, answer: &Answer<'_>) -> Option<String> {
        self.replies += 1;
        let status = answer.failed_status()?;
        self.failed += 1;
        let reply = self.replies;
        (self.failed <= NAMED).then(|| format!("reply {reply}: status {status}"))
    }

    /// What is to be told of those that were not told one by one.
    pub(crate) fn rest(&self) -> Option<String> {
        match self.failed.saturating_sub(NAMED) {
            0 => None,
            1 => Some("1 more reply has such a status".to_owned()),
            more => Some(format!("{more} more replies have such a status")),
        }
    }
}
