//! The kinds of load, each a [`Workload`](crate::rig::Workload): requests on connections of
//! their own, requests through a pool, the members of a chat.

use std::sync::Arc;

use echo_net::reactor::Reactor;

use crate::plan::{Part, Plan, WorkloadPlan};
use crate::rig::Workload;

pub(super) mod chat;
mod conversation;
mod expected;
mod in_flight;
pub(super) mod pool;
pub(super) mod requests;
mod thinking;

/// Who runs a workload, whichever it is.
pub(super) trait Runner<R: Reactor> {
    /// What comes of it.
    type Output;

    /// Runs it on the links with these numbers.
    fn run(self, workload: impl Workload<R>, links: impl Iterator<Item = u32>) -> Self::Output;
}

/// Has the part of `thread` in the workload of a plan run.
pub(super) fn run_part<R: Reactor, T: Runner<R>>(
    plan: &Arc<Plan>,
    thread: u32,
    runner: T,
) -> T::Output {
    // Numbers are spread over the parts of a plan, and those of a part over its threads.
    let Part { number, of } = plan.part.unwrap_or(Part { number: 1, of: 1 });
    let (first, step) = (number - 1 + thread * of, plan.threads * of);
    let mine = |all: u32| (first..all).step_by(step as usize);
    let actors = mine(plan.connections);
    match plan.workload {
        WorkloadPlan::Chat { .. } => runner.run(chat::Chat::new(plan), actors),
        WorkloadPlan::Pool { size, .. } => {
            let links =
                if size == 0 { actors.clone() } else { mine(plan.connections_at_start()) };
            let load = pool::PoolLoad::new(plan, size, actors, links.clone().count() as u32);
            runner.run(load, links)
        }
        WorkloadPlan::Requests { .. } => {
            runner.run(requests::Requests::new(plan, actors.clone()), actors)
        }
    }
}
