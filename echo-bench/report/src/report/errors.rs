//! What went wrong in a run, by kind and phase: [`ErrorReport`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Phase;

/// Failures of one kind in one phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorReport {
    /// The kind.
    pub kind: String,
    /// When. A failure that ended a request is of the phase in which the request was due: what
    /// was due in the window and failed in the drain is of the window. Null in older reports,
    /// whose entries are of all phases.
    #[serde(default)]
    pub phase: Option<Phase>,
    /// How often it occurred in that phase.
    pub count: u64,
    /// Requests of the measured window that ended thereby: all of a connection that was lost,
    /// none by an unsolicited reply. Those of all entries are the requests that failed. Null in
    /// older reports.
    #[serde(default)]
    pub requests: Option<u64>,
    /// The first of its kind and phase.
    pub first: FirstOffender,
}

/// The first failure of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstOffender {
    /// The connection's number.
    pub connection: u32,
    /// The request's number on its connection, where one is concerned.
    pub request: Option<u64>,
    /// What was seen; bytes from the network are escaped.
    pub detail: String,
    /// The first byte of the message that differs from the expected reply.
    pub offset: Option<u64>,
    /// What should be there, escaped.
    pub expected: Option<String>,
    /// What was there, escaped.
    pub got: Option<String>,
}
