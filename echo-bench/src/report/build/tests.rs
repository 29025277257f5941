//! Reports of runs that are made up.

use super::*;
use crate::plan::tests::plan;
use crate::record::Interval;

/// A run of a second in which `ok` requests took a millisecond each.
fn record(scheduled: u64, ok: u64) -> RunRecord {
    let mut total = Interval::new(0, false);
    total.tally = Tally { scheduled, ok, answered: ok, ..Tally::default() };
    for _ in 0..ok {
        total.latencies.response.record(1_000_000);
    }
    let response = Packed::new(&total.latencies.response);
    RunRecord {
        established: 2,
        connect_phase_ns: 1,
        alive_at_end: 2,
        measured_ns: 1_000_000_000,
        intervals: vec![IntervalRecord { index: 0, tally: total.tally, response }],
        total,
        busy: vec![None],
        ..RunRecord::default()
    }
}

fn circumstances() -> Circumstances {
    Circumstances {
        started_at: "2026-01-02T03:04:05.678Z".into(),
        window_started_at: None,
        labels: BTreeMap::new(),
        environment: Environment::default(),
        slos: vec!["p99<5ms".parse().unwrap()],
        server_workers: None,
        server_killed: false,
    }
}

#[test]
fn a_judgement_that_fails_does_not_lose_the_run() {
    let failing: Judge = |_, _, _, _| panic!("on purpose, to see what becomes of the run");
    let report = build_with(failing, &plan(), &record(1000, 1000), circumstances());
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].code, "not-judged");
    assert_eq!(report.summary.requests.ok, 1000);
    let response = report.summary.latency.response.as_ref().unwrap();
    assert_eq!(response.latency().unwrap().count(), 1000);
    assert_eq!(report.intervals.len(), 1);
    assert!(!report.slos[0].met);
}

#[test]
fn counts_that_do_not_add_up_are_told_and_not_lost() {
    let report = build(&plan(), &record(1001, 1000), circumstances());
    assert_eq!(report.verdict, Verdict::Invalid);
    let told = report.warnings.iter().find(|w| w.code == "unbalanced-counts").unwrap();
    assert!(told.message.contains("1001 requests were scheduled and 1000 ended"));
    assert!(report.slos[0].met);
}
