//! Statistics of a running server: [`ServerWatch`].

use std::fmt;

use super::ServerSummary;
use crate::context::Context;

/// Reads the statistics of a server while it runs. Clones read those of the same server.
#[derive(Clone)]
pub struct ServerWatch(Context);

impl fmt::Debug for ServerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerWatch").finish_non_exhaustive()
    }
}

impl ServerWatch {
    pub(super) fn new(context: Context) -> Self {
        Self(context)
    }

    /// Open connections.
    pub fn active(&self) -> u64 {
        self.0.admission.active()
    }

    /// The statistics so far.
    pub fn summary(&self) -> ServerSummary {
        ServerSummary::of(&self.0)
    }

    /// The whole state.
    pub(crate) fn context(&self) -> &Context {
        &self.0
    }
}
