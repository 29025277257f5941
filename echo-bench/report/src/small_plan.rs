//! A small closed-loop plan for unit tests to change.

use std::time::Duration;

use echo_bench_engine::plan::{Plan, ProtocolPlan, Settings, WorkloadPlan};

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
