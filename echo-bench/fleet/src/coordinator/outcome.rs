//! How a run on agents has ended: [`Outcome`].

use crate::message::{Member, Stored};

/// What has become of the agents and their parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The parts that were started, in order.
    pub ends: Vec<End>,
    /// What was seen of the server, if somebody looked at it.
    pub server: Option<End>,
    /// Why none was started.
    pub failure: Option<String>,
    /// Whose loss has ended the run.
    pub aborted: Option<String>,
    /// Whether the user has stopped it.
    pub interrupted: bool,
}

/// How a part has ended, or the look at the server.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Which, and whose.
    pub member: Member,
    /// Its report in the store, or why there is none.
    pub result: Result<Stored, String>,
}
