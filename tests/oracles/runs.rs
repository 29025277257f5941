//! Odd plans end on time with numbers that add up, gates open and shut, and schedules are
//! the same for the same seed.

use std::time::Duration;

use echo_server::model::ModelKind;

use crate::bench_process::BenchProcess;
use crate::deadline::PATIENCE;
use crate::fault_server::{Fault, FaultServer};
use crate::running_server::RunningServer;
use crate::turn::turn;

#[test]
fn odd_plans_end_on_time_and_add_up() {
    let _turn = turn();
    for (plan, seconds, scheduled) in [
        (vec!["--rate=0.5", "--duration=2s"], 2.0, Some(1)),
        (vec!["--rate=3", "--threads=2", "--duration=2s"], 2.0, Some(6)),
        (vec!["--duration=200ms"], 0.2, None),
        (vec!["--requests=7", "--conns=3", "--pipeline=5"], 0.0, Some(7)),
        (vec!["--rate=101", "--conns=7", "--duration=1s", "--interval=300ms"], 1.0, Some(101)),
    ] {
        let mut arguments = vec!["--warmup=0", "--quiet", "--seed=1"];
        arguments.extend(&plan);
        let finished = BenchProcess::start(&arguments).finish(PATIENCE);
        let report = finished.report();
        let intervals = report["intervals"].as_array().expect("by the schema");
        let ok: u64 = intervals.iter().filter_map(|interval| interval["ok"].as_u64()).sum();
        assert_eq!(ok, finished.requests("ok"), "{plan:?}: intervals add up to the whole");
        if let Some(scheduled) = scheduled {
            assert_eq!(finished.requests("scheduled"), scheduled, "{plan:?}");
        }
        assert_eq!(finished.requests("ok"), finished.requests("scheduled"), "{plan:?}");
        let limit = Duration::from_secs_f64(seconds + 2.0);
        assert!(finished.took < limit, "{plan:?} took {:?}", finished.took);
    }
}

#[test]
fn more_than_the_machine_can_do_is_a_verdict_and_no_nonsense() {
    let _turn = turn();
    let finished = BenchProcess::start(&[
        "--rate=20M",
        "--duration=500ms",
        "--warmup=0",
        "--timeout=500ms",
        "--strict",
        "--quiet",
    ])
    .finish(PATIENCE);
    let report = finished.report();
    assert_eq!(finished.requests("scheduled"), 10_000_000);
    let summary = &report["summary"];
    assert!(summary["achieved_per_s"].as_f64() < summary["offered_per_s"].as_f64());
    // Whichever side gave up first, it is said and the exit code is none of success.
    assert_ne!(report["verdict"], "valid");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("below-offered-rate"), "{warnings}");
    assert!(matches!(finished.code, Some(1 | 4)), "{:?}", finished.code);
    assert!(finished.took < Duration::from_secs(5), "{:?}", finished.took);
}

#[test]
fn a_schedule_is_the_same_for_the_same_seed_only() {
    let _turn = turn();
    let digest = |seed: &str| {
        let plan =
            ["--rate=1k", "--arrival=poisson", "--requests=10", "--warmup=0", "-q", seed];
        let finished = BenchProcess::start(&plan).finish(PATIENCE);
        finished.report()["plan"]["schedule_digest"].to_string()
    };
    assert_eq!(digest("--seed=5"), digest("--seed=5"));
    assert_ne!(digest("--seed=5"), digest("--seed=6"));
}

#[test]
fn an_objective_that_is_missed_is_exit_3_and_one_that_is_met_is_none() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Delay(Duration::from_millis(5)));
    for (slo, code) in [("--slo=p50<1ms", 3), ("--slo=p50<1s", 0)] {
        let address = server.address();
        let plan = [&*address, "-c1", "--duration=300ms", "--warmup=0", "-q", slo];
        let finished = BenchProcess::start(&plan).finish(PATIENCE);
        assert_eq!(finished.code, Some(code), "{slo}: {}", finished.stdout);
    }
}

#[test]
fn the_cost_of_a_server_that_was_there_already_is_found_by_its_port() {
    let _turn = turn();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let plan = [&*address, "--duration=300ms", "--warmup=100ms", "-q"];
    let finished = BenchProcess::start(&plan).finish(PATIENCE);
    let cpu = &finished.report()["summary"]["cpu"];
    assert!(cpu["server_us_per_message"].as_f64() > Some(0.0), "{cpu}");
}
