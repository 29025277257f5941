//! Whether those that work in a run have cores enough: [`shared`].

use echo_bench_engine::plan::Plan;

use super::super::Circumstances;
use crate::report::verdict::Limit;
use crate::report::{LinkReport, Summary, SurroundingsReport};

/// A forwarder that is busy for less of the run than this takes no time from others to speak of.
const BUSY_FORWARDER: f64 = 0.05;

/// More threads of both sides than cores for them, or all of them pinned to few. The forwarder of
/// an emulated link is one more, where it has much to do and no CPU of its own.
pub(super) fn shared(
    plan: &Plan,
    summary: &Summary,
    circumstances: &Circumstances,
) -> Option<Limit> {
    let server = circumstances.server_workers.unwrap_or(0);
    let link = LinkReport::new(plan, circumstances.link);
    let busy = link.as_ref().and_then(LinkReport::busy);
    let forwarder =
        plan.pin.forwarder.is_empty() && busy.is_some_and(|busy| busy > BUSY_FORWARDER);
    let shared = |server, cores| Limit::SharedCores {
        generator: plan.threads,
        server,
        forwarder,
        cores,
    };
    if plan.is_pinned_together() {
        let mut cpus = [&plan.pin.generator[..], &plan.server_cpus()].concat();
        cpus.sort_unstable();
        cpus.dedup();
        return Some(shared(server, cpus.len()));
    }
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    // Pinned apart each side has its own, and the generator may count only those.
    let apart = summary.surroundings.as_ref().and_then(SurroundingsReport::shares_cpus);
    let here = if apart == Some(false) { 0 } else { server };
    // Generator threads alone can be too many, wherever the server is.
    if plan.threads as usize > cores {
        return Some(shared(here, cores));
    }
    let is_crowded =
        |others: u32| server > 0 && (plan.threads + here + others) as usize > cores;
    let sides = here > 0 && is_crowded(0) && !plan.is_pinned_apart();
    (sides || (forwarder && is_crowded(1))).then(|| shared(here, cores))
}
