//! A small closed-loop plan for unit tests to change.

use std::time::Duration;

use echo_bench_engine::plan::{Load, Plan, ProtocolPlan, Settings, WorkloadPlan};
use echo_bench_engine::schedule::Arrival;

/// Two connections for a second.
pub(crate) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let plan = Plan::builder("127.0.0.1:1").connections(2).duration(second);
    let plan = plan.warmup(Duration::ZERO).timeout(second).drain(second);
    plan.build().expect("it is valid")
}

/// The same with other settings.
pub(crate) fn plan_with(change: impl FnOnce(&mut Settings)) -> Plan {
    plan().with(change).expect("it is valid")
}

/// Two callers who share a connection.
pub(crate) fn pooled() -> Plan {
    plan_with(|plan| {
        let protocol = ProtocolPlan::Line;
        plan.workload = WorkloadPlan::Pool { protocol, size: 1, reconnect_after: None };
    })
}

/// Two members of a chat.
pub(crate) fn chat() -> Plan {
    plan_with(|plan| {
        plan.load = Load::Open { rate_per_s: 10.0, arrival: Arrival::Constant, pipeline: 1 };
        plan.workload = WorkloadPlan::Chat { deaf: 0 };
    })
}
