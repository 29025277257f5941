//! What the coordinator knows of an agent of its run: [`Member`].

use crate::message::{Progress, Stored};
use crate::{Clocks, Nanos};

/// How far an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was offered the run.
    Asked,
    /// It is ready.
    Prepared,
    /// It was told to start.
    Starting,
    /// It carries out its part.
    Running,
    /// It is silent, and its report is looked for.
    Looking,
    /// Its report is in the store.
    Done,
    /// Its part is lost.
    Lost,
}

impl Stage {
    /// Whether nothing more is expected of it.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Lost)
    }
}

#[derive(Debug)]
pub(super) struct Member {
    /// From its presence.
    pub(super) ticket: String,
    /// Whether it looks at the server, and puts no load on.
    pub(super) serves: bool,
    /// Of the last command to it.
    pub(super) sequence: u64,
    pub(super) stage: Stage,
    pub(super) clocks: Clocks,
    /// From 1; 0 until the parts are given out, and of the server.
    pub(super) part: u32,
    pub(super) progress: Progress,
    pub(super) heard_at: Nanos,
    pub(super) result: Option<Result<Stored, String>>,
}

impl Member {
    pub(super) fn new(ticket: String, serves: bool) -> Self {
        Self {
            ticket,
            serves,
            sequence: 0,
            stage: Stage::Asked,
            clocks: Clocks::default(),
            part: 0,
            progress: Progress::default(),
            heard_at: 0,
            result: None,
        }
    }
}
