//! The kinds of load, each a [`Workload`](crate::rig::Workload): requests on connections of
//! their own, requests through a pool, the members of a chat.

use std::iter::StepBy;
use std::ops::Range;
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

/// The numbers of a thread among `all`: they are spread over the parts of a plan, and those of a
/// part over its threads.
fn numbers(plan: &Plan, thread: u32, all: u32) -> StepBy<Range<u32>> {
    let Part { number, of } = plan.part.unwrap_or(Part { number: 1, of: 1 });
    let (first, step) =
        (number - 1 + thread.saturating_mul(of), plan.threads.saturating_mul(of));
    (first..all).step_by(step as usize)
}

/// Has the part of `thread` in the workload of a plan run.
pub(super) fn run_part<R: Reactor, T: Runner<R>>(
    plan: &Arc<Plan>,
    thread: u32,
    runner: T,
) -> T::Output {
    let mine = |all: u32| numbers(plan, thread, all);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan_with;

    #[test]
    fn every_connection_is_of_one_thread_of_one_part_and_threads_have_alike_many() {
        let simulated = |connections, part, threads| {
            plan_with(|plan| {
                plan.connections = connections;
                plan.part = part;
                plan.threads = threads;
            })
        };
        for (connections, of, threads) in [(10, 1, 3), (10, 3, 2), (17, 4, 4), (5, 5, 2)] {
            let mut all = Vec::new();
            for number in 1..=of {
                let plan = simulated(connections, Some(Part { number, of }), threads);
                let counts: Vec<usize> = (0..plan.threads)
                    .map(|thread| {
                        let own: Vec<u32> = numbers(&plan, thread, plan.connections).collect();
                        all.extend(&own);
                        own.len()
                    })
                    .collect();
                let range = counts.iter().max().zip(counts.iter().min()).unwrap();
                assert!(range.0 - range.1 <= 1, "{counts:?}");
            }
            all.sort_unstable();
            assert_eq!(all, (0..connections).collect::<Vec<_>>());
        }
    }
}
