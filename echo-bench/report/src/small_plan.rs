//! A small closed-loop plan for unit tests to change.

use std::time::Duration;

use echo_bench_engine::plan::Plan;

/// Two connections for a second.
pub(crate) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let plan = Plan::builder("127.0.0.1:1").connections(2).duration(second);
    let plan = plan.warmup(Duration::ZERO).timeout(second).drain(second);
    plan.build().expect("it is valid")
}
