//! What an agent has its driver do: [`Action`].

use crate::RunId;
use crate::message::{Answer, Event, Start, Watch, Work};
use crate::plan::PlanDocument;

/// What whoever drives an agent is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer the command that was just passed in.
    Answer(Answer),
    /// Answer the offer that was kept waiting.
    AnswerOffer(Answer),
    /// Get the plan of this run for this work out of the store, for
    /// [`fetched`](crate::Agent::fetched).
    Fetch(RunId, Work),
    /// Check this plan against limits and targets, and have its server ready where that is the
    /// work, for [`checked`](crate::Agent::checked).
    Check {
        /// It.
        plan: Box<PlanDocument>,
        /// What the agent does for it.
        work: Work,
    },
    /// Stop the server that was made ready, or is on its way: nobody needs it any more.
    Abandon,
    /// Start a process for this part, for [`ended`](crate::Agent::ended).
    Launch {
        /// The plan.
        plan: Box<PlanDocument>,
        /// Which part, and when.
        start: Start,
    },
    /// Look at the server that was made ready, for [`ended`](crate::Agent::ended).
    Watch {
        /// The plan.
        plan: Box<PlanDocument>,
        /// From when on.
        watch: Watch,
    },
    /// Ask the process to end, so that it hands over what was measured; look at the server no
    /// more, and stop it if it was started here.
    Interrupt,
    /// Kill the process.
    Kill,
    /// Put the report of this part into the store, for [`stored`](crate::Agent::stored).
    Store {
        /// The run.
        run: RunId,
        /// The part, or [`SERVER`](crate::message::SERVER).
        part: u32,
    },
    /// Publish this.
    Publish(Event),
    /// The presence has changed.
    Announce,
    /// Tell whoever watches the agent.
    Tell(String),
}
