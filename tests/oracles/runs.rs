//! Unusual plans end on time with consistent numbers, gates pass and fail, and schedules are
//! identical for the same seed.

use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::RunningServer;
use echo_test_support::turn::turn;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use echo_bench::fault_server::{Fault, FaultServer};

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
        "--rate=10M",
        "--duration=500ms",
        "--warmup=0",
        "--timeout=500ms",
        "--strict",
        "--quiet",
    ])
    .finish(PATIENCE);
    let report = finished.report();
    assert_eq!(finished.requests("scheduled"), 5_000_000);
    let summary = &report["summary"];
    assert!(summary["achieved_per_s"].as_f64() < summary["offered_per_s"].as_f64());
    // Whichever side gave up first, it is reported and the exit code is not success.
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
    let server =
        FaultServer::start(Fault::Delay(Duration::from_millis(5))).expect("a free port");
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

/// Two processes hold the listening socket, so CPU time can't be attributed.
#[test]
fn the_cost_of_a_server_that_cannot_be_told_is_null_and_no_zero() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Delay(Duration::ZERO)).expect("a free port");
    let listener = server.listener().try_clone().expect("descriptors are left");
    // One that has nothing to do with this process. A child would be seen as its worker.
    let script = "exec 3<&0; sleep 60 <&3 3<&- >/dev/null 2>&1 & echo $!";
    let mut shell = Command::new("sh");
    let started = shell.args(["-c", script]).stdin(OwnedFd::from(listener)).output();
    let started = String::from_utf8(started.expect("a shell can be started").stdout);
    let holder = started.expect("it prints a number").trim().to_owned();
    let address = server.address();
    let plan = [&*address, "--duration=200ms", "--warmup=0", "-q"];
    let finished = BenchProcess::start(&plan).finish(PATIENCE);
    Command::new("kill").arg(holder).status().expect("it can be started");
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let cpu = &finished.report()["summary"]["cpu"];
    for name in ["server_us_per_message", "server_busy", "server_peak_rss_bytes"] {
        assert!(cpu[name].is_null(), "{name}: {cpu}");
    }
    assert!(cpu["client_us_per_message"].as_f64() > Some(0.0), "{cpu}");
}

#[test]
fn a_generator_that_is_the_limit_is_exit_4_if_strict() {
    let _turn = turn();
    for (strict, code) in [(&["--strict"][..], 4), (&[], 0)] {
        // A sleep overruns by more than a tenth of a loopback reply.
        let plan = ["--rate=1k", "--idle=sleep", "--duration=500ms", "--warmup=0", "-q"];
        let finished = BenchProcess::start(&[&plan, strict].concat()).finish(PATIENCE);
        let warnings = finished.report()["warnings"].to_string();
        assert!(warnings.contains("generator-limited"), "{warnings}");
        assert_eq!(finished.code, Some(code), "{strict:?}: {warnings}");
    }
}

/// What another tool reads from the log equals the report.
#[test]
fn the_interval_log_is_read_back_and_agrees_with_the_report() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("there is room for files");
    let path = folder.path().join("run.hlog");
    let flag = format!("--hlog={}", path.display());
    let plan = ["--rate=2k", "--duration=1s", "--interval=250ms", "--warmup=0", "-q", &flag];
    let finished = BenchProcess::start(&plan).finish(PATIENCE);
    let log = std::fs::read(&path).expect("just written");
    let mut total = Histogram::<u64>::new(3).expect("three digits");
    let mut intervals = 0;
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("the log is well-formed") else {
            continue;
        };
        // What ended in the drain is of no interval.
        intervals += usize::from(interval.tag().is_none());
        let bytes = STANDARD.decode(interval.encoded_histogram()).expect("it is base64");
        let histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).expect("it is a histogram");
        total.add(&histogram).expect("it grows");
    }
    let report = finished.report();
    assert_eq!(Some(intervals), report["intervals"].as_array().map(Vec::len));
    let response = &report["summary"]["latency"]["response"];
    assert_eq!(response["count"], total.len());
    for (name, quantile) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("max_ns", 1.0)] {
        let said = response[name].as_f64().expect("measured");
        let read = total.value_at_quantile(quantile) as f64;
        assert!((read / said - 1.0).abs() < 0.002, "{name}: {read} and {said}");
    }
}
