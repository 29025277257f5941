//! What an agent has its driver do: [`Action`].

use crate::RunId;
use crate::message::{Answer, Event, Start};
use crate::plan::PlanDocument;

/// What whoever drives an agent is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer the command that was just passed in.
    Answer(Answer),
    /// Answer the offer that was kept waiting.
    AnswerOffer(Answer),
    /// Get the plan of this run out of the store, for [`fetched`](crate::Agent::fetched).
    Fetch(RunId),
    /// Check this plan against limits and targets, for [`checked`](crate::Agent::checked).
    Check {
        /// It.
        plan: Box<PlanDocument>,
        /// The fewest parts that it is split into.
        fewest_parts: u32,
    },
    /// Start a process for this part, for [`ended`](crate::Agent::ended).
    Launch {
        /// The plan.
        plan: Box<PlanDocument>,
        /// Which part, and when.
        start: Start,
    },
    /// Ask the process to end, so that it hands over what was measured.
    Interrupt,
    /// Kill the process.
    Kill,
    /// Put the report of this part into the store, for [`stored`](crate::Agent::stored).
    Store {
        /// The run.
        run: RunId,
        /// The part.
        part: u32,
    },
    /// Publish this.
    Publish(Event),
    /// The presence has changed.
    Announce,
    /// Tell whoever watches the agent.
    Tell(String),
}
