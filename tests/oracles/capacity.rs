//! The capacity of a server whose waiting times are known: one that serves a request after the
//! other in a fixed time, under Poisson arrivals (M/D/1).

use std::time::Duration;

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::queueing::md1_rate;
use echo_test_support::turn::turn;
use serde_json::Value;

use echo_bench::fault_server::{Fault, FaultServer};

const SERVICE: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_millis(12);

/// Searches with this budget; its answer, and how long that took.
fn searched(budget: &str, window: &str) -> (Value, Duration) {
    let server = FaultServer::start(Fault::Serve(SERVICE)).expect("a free port");
    let slo = format!("--slo=p99<{}ms", LIMIT.as_millis());
    let (budget, window) = (format!("--budget={budget}"), format!("-d{window}"));
    let address = server.address();
    let plan = [
        "capacity",
        &address,
        "--conns=1",
        "--arrival=poisson",
        "--warmup=300ms",
        "--format=json",
        "--quiet",
        &slo,
        &budget,
        &window,
    ];
    let finished = BenchProcess::start(&plan).finish(Duration::from_secs(400));
    let answer: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {finished:#?}"));
    (answer["levels"][0].clone(), finished.took)
}

/// Why the interval does not hold the analytic rate, if it does not. An end may be open where the
/// budget was short.
fn wrong(level: &Value, is_short: bool) -> Option<String> {
    let limit_s = LIMIT.as_secs_f64();
    let truth = md1_rate(0.99, SERVICE.as_secs_f64(), limit_s);
    // The closed loop adds the way there and back to a service, and what a busy machine takes.
    let served_s = 1.0 / level["closed_loop_per_s"].as_f64().expect("it was measured");
    let least = md1_rate(0.99, served_s.max(SERVICE.as_secs_f64()), limit_s);
    let answer = &level["answer"];
    let (low, high) = (answer["low_per_s"].as_f64(), answer["high_per_s"].as_f64());
    let is_closed = low.is_some() && high.is_some();
    let says = is_closed || (is_short && (low.is_some() || high.is_some()));
    let holds =
        says && low.is_none_or(|low| low <= truth) && high.is_none_or(|high| high >= least);
    (!holds).then(|| {
        let rates = level["rates"].as_array().expect("by the schema").iter();
        let rates: Vec<String> =
            rates.map(|rate| format!("{} {}", rate["rate_per_s"], rate["verdict"])).collect();
        format!("{least:.1} to {truth:.1} is not within {answer}: {rates:?}")
    })
}

#[test]
fn the_interval_holds_the_analytic_rate_within_the_budget() {
    let _turn = turn();
    let (level, took) = searched("24s", "1500ms");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let mut reason = wrong(&level, true);
    for _ in 0..2 {
        // The machine may have been busy.
        let Some(before) = &reason else { return };
        eprintln!("searched again: {before}");
        reason = wrong(&searched("24s", "1500ms").0, true);
    }
    assert_eq!(reason, None);
}

/// Ten searches, of which nine at least are right. Run it on a quiet machine.
#[test]
#[ignore = "takes twenty minutes of a quiet machine"]
fn nine_of_ten_searches_are_right() {
    let _turn = turn();
    let budget = std::env::var("ECHO_BENCH_CAPACITY_BUDGET").unwrap_or("2m".into());
    let right = (0..10).filter(|number| {
        let (level, took) = searched(&budget, "3s");
        let reason = wrong(&level, false);
        let answer = &level["answer"];
        eprintln!("{number}: {took:?} {answer} {}", reason.as_deref().unwrap_or("right"));
        reason.is_none()
    });
    assert!(right.count() >= 9);
}
