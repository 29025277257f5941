//! What a selftest makes of reports, right and wrong ones made up here, and its command line.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::Command;

use echo_bench_engine::plan::{EngineKind, IdleStrategy};
use echo_bench_report::report::{GENERATOR_LIMITED, Report, Verdict};
use echo_bench_report::selftest::{Check, Oracle, Outcome, Subject, Unit, oracles};
use echo_test_support::made_up::{self, Shape};
use serde_json::json;

fn subject() -> Subject {
    Subject {
        engine: EngineKind::Epoll,
        idle: IdleStrategy::Auto,
        protocol: "line".into(),
        pool: None,
        threads: Some(1),
        quick: true,
    }
}

const SHAPE: Shape = Shape { intervals: 2, answers: 400, spread: 101 };

/// A report with these values of the response, and whatever else is changed.
fn report(response: &[(&str, f64)], change: impl Fn(&mut Report)) -> Report {
    let mut document = made_up::report(SHAPE, 1, 100);
    for (name, value) in response {
        document["summary"]["latency"]["response"][*name] =
            if *name == "mean_ns" { json!(value) } else { json!(*value as u64) };
    }
    let mut report = serde_json::from_value(document).unwrap();
    change(&mut report);
    report
}

fn oracle(name: &str) -> Oracle {
    oracles(true).into_iter().find(|oracle| oracle.name() == name).unwrap()
}

fn outcome(name: &str, report: &Report, committed: u64) -> Outcome {
    let expectations = oracle(name).judge(&subject(), report, committed);
    Check::judged(name, String::new(), 1, expectations).outcome
}

#[test]
fn a_delay_passes_and_one_that_is_ten_percent_longer_fails() {
    let with = |factor: f64| {
        let at = [("p50_ns", 3.2e8), ("p99_ns", 6.4e8), ("max_ns", 6.4e8), ("mean_ns", 3.6e8)];
        report(&at.map(|(name, ns)| (name, ns * factor)), |_| {})
    };
    assert_eq!(outcome("fixed-delay", &with(1.005), 0), Outcome::Passed);
    for wrong in [1.1, 0.95] {
        assert_eq!(outcome("fixed-delay", &with(wrong), 0), Outcome::Failed, "{wrong}");
    }
    let with = |factor: f64| {
        let at = [("min_ns", 8e7), ("p50_ns", 8e7), ("mean_ns", 8e7)];
        report(&at.map(|(name, ns)| (name, ns * factor)), |_| {})
    };
    assert_eq!(outcome("arrivals", &with(1.02), 0), Outcome::Passed);
    assert_eq!(outcome("arrivals", &with(1.1), 0), Outcome::Failed);
}

#[test]
fn every_time_of_every_oracle_tells_a_lie_of_ten_percent() {
    for quick in [true, false] {
        for oracle in oracles(quick) {
            let expectations = oracle.judge(&subject(), &report(&[], |_| {}), 0);
            for one in expectations.iter().filter(|one| one.unit == Unit::Ns) {
                let lied = match oracle {
                    // All of a stall that is longer is above the quantile.
                    Oracle::Stall { length, .. } => {
                        one.expected + length.as_nanos() as f64 * 0.1
                    }
                    _ => one.expected * 1.1,
                };
                let [low, high] = one.accepted;
                assert!(lied > high, "{} {}: {lied} and {high}", oracle.name(), one.name);
                assert!(low > one.expected * 0.9, "{} {}", oracle.name(), one.name);
            }
        }
    }
}

#[test]
fn a_closed_loop_is_judged_by_its_rate_and_by_littles_law() {
    let with = |rate: f64, in_flight: f64| {
        report(&[], |report| {
            report.summary.achieved_per_s = Some(rate);
            report.summary.in_flight_mean = Some(in_flight);
            let response = report.summary.latency.response.as_mut().unwrap();
            response.mean_ns = 8e9 * report.summary.measured_s / response.count as f64;
        })
    };
    assert_eq!(outcome("closed-loop", &with(197.0, 8.0), 0), Outcome::Passed);
    assert_eq!(outcome("closed-loop", &with(200.0 / 1.1, 8.0), 0), Outcome::Failed);
    assert_eq!(outcome("closed-loop", &with(197.0, 7.5), 0), Outcome::Failed);
}

#[test]
fn faults_are_counted_as_often_as_they_were_injected() {
    let with = |found: u64| {
        report(&[], |report| {
            report.verdict = Verdict::Qualified;
            report.summary.requests.scheduled = 400;
            report.summary.requests.ok = 400 - found;
            let first = json!({
                "kind": "corrupt", "count": found,
                "first": {"connection": 0, "request": 9, "detail": "", "offset": 30,
                          "expected": "", "got": ""},
            });
            report.errors = vec![serde_json::from_value(first).unwrap()];
        })
    };
    assert_eq!(outcome("corrupt", &with(40), 40), Outcome::Passed);
    assert_eq!(outcome("corrupt", &with(39), 40), Outcome::Failed);
    assert_eq!(outcome("corrupt", &with(0), 0), Outcome::Failed, "nothing was injected");
    assert_eq!(outcome("drop", &with(40), 40), Outcome::Failed, "of another kind");
}

#[test]
fn a_generator_that_was_stopped_must_say_so() {
    let with = |denied: f64, warned: bool| {
        report(&[], |report| {
            report.verdict = Verdict::Qualified;
            report.summary.measured_s = 1.5;
            let thread = json!({"busy": 0.1, "denied": denied});
            report.threads = vec![serde_json::from_value(thread).unwrap()];
            report.warnings = Vec::new();
            if warned {
                let warning = json!({"code": GENERATOR_LIMITED, "message": "", "remedy": ""});
                report.warnings = vec![serde_json::from_value(warning).unwrap()];
            }
        })
    };
    assert_eq!(outcome("frozen", &with(0.33, true), 0), Outcome::Passed);
    assert_eq!(outcome("frozen", &with(0.01, true), 0), Outcome::Failed);
    assert_eq!(outcome("frozen", &with(0.33, false), 0), Outcome::Failed);
}

#[test]
fn what_is_no_selftest_is_a_usage_error() {
    for (args, told) in [
        (&["--pool=4", "--protocol=chat"][..], "--pool"),
        (&["--threads=0"], "--threads"),
        (&["--engine=magic"], "--engine"),
        (&["--format=csv"], "--format"),
        (&["-o", "selftest.csv"], ".csv"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
        let output = command.arg("selftest").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(told), "{args:?}: {said}");
    }
}
