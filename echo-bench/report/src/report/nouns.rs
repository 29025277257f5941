//! What the things that a workload counts are called: [`Nouns`]. Whatever is said of a run takes
//! its words from here, so that a chat has deliveries wherever it is spoken of.

use echo_bench_engine::plan::{Plan, WorkloadPlan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Requests over connections of their own.
    Requests,
    /// Requests over the connections of a pool.
    Pool,
    /// A chat room.
    Chat,
}

impl Workload {
    /// That of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        match plan.workload {
            WorkloadPlan::Requests { .. } => Self::Requests,
            WorkloadPlan::Pool { .. } => Self::Pool,
            WorkloadPlan::Chat { .. } => Self::Chat,
        }
    }

    /// That which all plans have; `None` if they differ, or there is none.
    pub(crate) fn in_common<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Option<Self> {
        let mut each = plans.into_iter().map(Self::of);
        let first = each.next()?;
        each.all(|other| other == first).then_some(first)
    }
}

/// Nouns of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nouns {
    /// What is sent, and falls due.
    pub(crate) sent: Noun,
    /// What is counted and timed: each ends in one way.
    pub(crate) counted: Noun,
    /// What comes back.
    pub(crate) answer: Noun,
    /// Who is served.
    pub(crate) party: Noun,
    /// What the rate is of.
    pub(crate) rate: &'static str,
    /// The label of what was counted in the window.
    pub(crate) in_window: &'static str,
    /// The title of how they ended.
    pub(crate) endings: &'static str,
}

/// A noun and its plural.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noun {
    /// Of one.
    pub(crate) one: &'static str,
    /// Of several.
    pub(crate) many: &'static str,
}

impl Noun {
    const fn new(one: &'static str, many: &'static str) -> Self {
        Self { one, many }
    }

    /// The form that goes with a count.
    pub(crate) fn of(self, count: u64) -> &'static str {
        if count == 1 { self.one } else { self.many }
    }
}

const REQUEST: Noun = Noun::new("request", "requests");
const REPLY: Noun = Noun::new("reply", "replies");
const MESSAGE: Noun = Noun::new("message", "messages");
const DELIVERY: Noun = Noun::new("delivery", "deliveries");

const OF_REQUESTS: Nouns = Nouns {
    sent: REQUEST,
    counted: REQUEST,
    answer: REPLY,
    party: Noun::new("connection", "connections"),
    rate: "requests/s",
    in_window: "replies",
    endings: "Requests by how they ended",
};

/// Callers of a pool are no connections.
const OF_CALLS: Nouns = Nouns { party: Noun::new("caller", "callers"), ..OF_REQUESTS };

const OF_CHAT: Nouns = Nouns {
    sent: MESSAGE,
    counted: DELIVERY,
    answer: DELIVERY,
    party: Noun::new("member", "members"),
    rate: "deliveries/s",
    in_window: "arrived",
    endings: "Deliveries by how they ended",
};

impl Nouns {
    /// Those of a plan's workload.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self::of_workload(Some(Workload::of(plan)))
    }

    /// Those of a workload; of requests if it is not known, or not one.
    pub(crate) fn of_workload(workload: Option<Workload>) -> Self {
        match workload {
            None | Some(Workload::Requests) => OF_REQUESTS,
            Some(Workload::Pool) => OF_CALLS,
            Some(Workload::Chat) => OF_CHAT,
        }
    }

    /// Those of several plans: of requests, unless all plans have others in common.
    pub(crate) fn in_common<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        Self::of_workload(Workload::in_common(plans))
    }
}

#[cfg(test)]
impl Default for Nouns {
    fn default() -> Self {
        OF_REQUESTS
    }
}
