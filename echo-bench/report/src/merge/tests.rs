use std::collections::BTreeMap;

use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Interval, Packed};
use echo_bench_engine::{IntervalRecord, RunRecord};
use echo_net::clock::SECOND;

use super::*;
use crate::report::{Circumstances, Environment, Verdict, Warning, build};
use crate::small_plan;

mod parts;

/// A second of a run that began at this second, with so many replies and timeouts.
fn run(second: u32, ok: u64, timeouts: u64) -> Report {
    run_of(&small_plan::plan(), second, ok, timeouts)
}

fn run_of(plan: &Plan, second: u32, ok: u64, timeouts: u64) -> Report {
    let mut total = Interval::new(0, false);
    (total.tally.scheduled, total.tally.timeout) = (ok + timeouts, timeouts);
    (total.tally.ok, total.tally.answered) = (ok, ok);
    for number in 0..ok {
        total.latencies.response.record((100 + number * 7919 % 50) * 1_000);
    }
    (0..timeouts).for_each(|_| total.latencies.response.record_censored(SECOND));
    let response = Packed::new(&total.latencies.response);
    let piece = IntervalRecord { index: 0, tally: total.tally, response };
    let record = RunRecord {
        established: 2,
        alive_at_end: 2,
        measured_ns: SECOND,
        load_ns: SECOND,
        last_reply_ns: Some(SECOND),
        total,
        intervals: vec![piece],
        ..RunRecord::default()
    };
    build(plan, &record, circumstances(second))
}

fn circumstances(second: u32) -> Circumstances {
    let at = |second: u32| format!("2026-01-02T03:04:{second:02}Z");
    Circumstances {
        command: Vec::new(),
        started_at: at(second),
        window_started_at: None,
        server: None,
        labels: BTreeMap::new(),
        environment: Environment::default(),
        slos: Vec::new(),
        server_workers: None,
        server_killed: false,
        server_ended: None,
        ended_early: None,
        link: None,
        start: None,
        server_side: None,
        noise_floor: None,
        live_view_busy: None,
    }
}

fn messages<'a>(report: &'a Report, code: &str) -> Vec<&'a str> {
    let warnings = report.warnings.iter().filter(|warning| warning.code == code);
    warnings.map(|warning| warning.message.as_str()).collect()
}

#[test]
fn what_follows_from_the_numbers_is_judged_by_the_merged_ones() {
    let runs: Vec<_> = (0..5).map(|second| run(second * 2, 100, 1)).collect();
    assert_eq!(messages(&runs[0], "errors-seen"), ["1 of 101 requests failed"]);
    assert_eq!(messages(&runs[0], "few-samples").len(), 1);
    let merged = merge(&runs).unwrap();
    assert_eq!(messages(&merged, "errors-seen"), ["5 of 505 requests failed"]);
    let bound = "5 requests were never answered and count with their age";
    assert_eq!(messages(&merged, "lower-bounds"), [bound]);
    assert_eq!(messages(&merged, "few-samples"), [""; 0], "500 replies are enough for p99");
    assert_eq!(merged.verdict, Verdict::Qualified);
}

#[test]
fn what_only_a_run_by_itself_shows_is_kept_with_its_run() {
    let warning =
        |code: &str| Warning { code: code.into(), message: "so".into(), remedy: "do".into() };
    let mut runs: Vec<_> = (0..5).map(|second| run(second * 2, 400, 0)).collect();
    assert_eq!(merge(&runs).unwrap().verdict, Verdict::Valid);
    for run in &mut runs {
        run.warnings.push(warning("shared-cores"));
    }
    runs[1].warnings.push(warning("no-replies"));
    let merged = merge(&runs).unwrap();
    assert_eq!(messages(&merged, "shared-cores"), ["so"]);
    assert_eq!(messages(&merged, "no-replies"), ["so (run of 2026-01-02T03:04:02Z)"]);
    assert_eq!(merged.verdict, Verdict::Invalid);
}

#[test]
fn a_window_within_the_load_of_another_run_is_refused() {
    let mut plan = small_plan::plan();
    plan = plan.with(|plan| plan.warmup_ns = 10 * SECOND).unwrap();
    let is_overlap = |runs: [Report; 2]| matches!(merge(&runs), Err(MergeError::Overlap(..)));
    // The window of the first is from 10 s to 11 s.
    let first = || run_of(&plan, 0, 400, 0);
    assert!(is_overlap([first(), run_of(&plan, 5, 400, 0)]));
    assert!(is_overlap([first(), run_of(&plan, 10, 400, 0)]));
    assert!(!is_overlap([first(), run_of(&plan, 11, 400, 0)]));
    // Where it is known, the window begins when it began, after a long set-up.
    let mut late = first();
    late.window_started_at = Some("2026-01-02T03:04:30Z".into());
    assert!(is_overlap([late.clone(), run_of(&plan, 20, 400, 0)]));
    assert!(!is_overlap([late, run_of(&plan, 31, 400, 0)]));
}

#[test]
fn merged_runs_whose_values_are_correlated_are_not_said_to_have_too_few() {
    let few: Vec<_> = (0..2).map(|second| run(second * 2, 100, 0)).collect();
    let said = ["p99 has no interval: too few values"];
    assert_eq!(messages(&merge(&few).unwrap(), "few-samples"), said);
    let mut runs: Vec<_> = (0..2).map(|second| run(second * 2, 4000, 0)).collect();
    for run in &mut runs {
        let response = run.summary.latency.response.as_mut().unwrap();
        // As much as is left of correlated values.
        response.independent.values_mut().for_each(|independent| *independent = 100);
        response.ci95.clear();
    }
    let said = ["p99 has no interval: effective sample too small"];
    assert_eq!(messages(&merge(&runs).unwrap(), "few-samples"), said);
}
