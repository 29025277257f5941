//! Runs whose load has stages.

use super::*;
use crate::merge::merge;
use crate::report::document::Stored;
use crate::report::{SloVerdict, StageKind};
use echo_bench_engine::record::{Latencies, Latency, StagePart};
use echo_bench_engine::schedule::{Arrival, Recorded, Stage};

fn staged_plan(stages: &[&str]) -> Plan {
    let stages: Vec<Stage> = stages.iter().map(|typed| typed.parse().unwrap()).collect();
    plan_with(|plan| {
        plan.load = Load::Staged { stages, arrival: Arrival::Constant, pipeline: 64 };
    })
}

/// What a stage of these seconds measured: latencies around a level, in pieces of a tenth of a
/// second.
fn part(stage: u32, seconds: u64, per_s: u64, level_ns: Nanos) -> (StagePart, Vec<Packed>) {
    let mut part = StagePart::new(stage, true);
    let mut pieces = Vec::new();
    for piece in 0..seconds * 10 {
        let mut latency = Latency::default();
        for k in 0..per_s / 10 {
            latency.record(level_ns * (95 + (k * 7 + piece * 3) % 11) / 100);
        }
        let mut latencies = Latencies::new(true);
        latencies.response = latency.clone();
        **part.latencies.as_mut().unwrap() += &latencies;
        pieces.push(Packed::new(&latency));
    }
    let tally = &mut part.tally;
    tally.scheduled = seconds * per_s;
    (tally.ok, tally.answered) = (tally.scheduled, tally.scheduled);
    (part, pieces)
}

/// A run of stages of five seconds: how many a second, and their latency.
fn staged_record(stages: &[(u64, Nanos)]) -> RunRecord {
    let mut intervals = Vec::new();
    let (mut parts, mut stage_pieces) = (Vec::new(), Vec::new());
    for (place, &(per_s, level_ns)) in (0..).zip(stages) {
        let first = intervals.len() as u64;
        intervals.extend((0..5).map(|k| interval(first + k, per_s, 0, level_ns)));
        let (part, pieces) = part(place, 5, per_s, level_ns);
        parts.push(part);
        stage_pieces.push(pieces);
    }
    let mut record = record(stages.len() as u64 * 5 * SECOND, &intervals);
    record.total.stages = parts;
    record.pieces = stage_pieces.concat();
    record.stage_pieces = stage_pieces;
    record
}

#[test]
fn no_percentile_is_of_several_stages_and_each_has_its_own() {
    let plan = staged_plan(&["1k:5s", "1k..3k:5s", "3k:5s"]);
    let record = staged_record(&[(1000, MILLISECOND), (2000, 0), (3000, 9 * MILLISECOND)]);
    let report = report(&plan, &record);
    report.validate().unwrap();
    let latency = &report.summary.latency;
    assert_eq!((&latency.response, &latency.service, &latency.wait), (&None, &None, &None));
    assert_eq!(report.summary.offered_per_s, Some(2000.0), "rates of the window are known");
    let kinds: Vec<_> = report.stages.iter().map(|stage| stage.kind).collect();
    assert_eq!(kinds, [StageKind::Constant, StageKind::Ramp, StageKind::Constant]);
    let places: Vec<_> =
        report.stages.iter().map(|stage| (stage.at_s, stage.length_s)).collect();
    assert_eq!(places, [(Some(0.0), 5.0), (Some(5.0), 5.0), (Some(10.0), 5.0)]);
    let rates: Vec<_> = report.stages.iter().map(|stage| stage.achieved_per_s).collect();
    assert_eq!(rates, [Some(1000.0), Some(2000.0), Some(3000.0)]);
    let p50 = |place: usize| {
        report.stages[place].latency.response.as_ref().map(|response| response.p50_ns / 1000)
    };
    assert_eq!(p50(1), None, "a ramp has no percentiles");
    assert!(p50(0).is_some_and(|us| (950..1050).contains(&us)), "{:?}", p50(0));
    assert!(p50(2).is_some_and(|us| (8550..9450).contains(&us)), "{:?}", p50(2));
    let first = report.stages[0].latency.response.as_ref().unwrap();
    assert!(first.ci95.contains_key("p99"), "as sure as a run of its own: {:?}", first.ci95);
    // The rates differ because they are meant to.
    assert!(warning(&report, "no-steady-state").is_none(), "{:?}", report.warnings);
}

#[test]
fn objectives_are_judged_by_each_stage_with_one_rate() {
    let plan = staged_plan(&["1k:5s", "1k..3k:5s", "3k:5s"]);
    let record = staged_record(&[(1000, MILLISECOND), (2000, 0), (3000, 9 * MILLISECOND)]);
    // p99<5ms, by the circumstances.
    let report = report(&plan, &record);
    let found: Vec<_> = report.slos.iter().map(|slo| (slo.stage, slo.verdict())).collect();
    assert_eq!(found, [(Some(1), SloVerdict::Met), (Some(3), SloVerdict::Missed)]);
    let recorded = Recorded::read("0\n1\n2\n").unwrap();
    let plan = plan_with(|plan| {
        plan.load = Load::Recorded { arrivals: recorded, pipeline: 64 };
    });
    let mut circumstances = circumstances();
    circumstances.slos = vec!["errors<1%".parse().unwrap()];
    let report = build(&plan, &staged_record(&[(1000, MILLISECOND)]), circumstances);
    assert_eq!(report.stages[0].kind, StageKind::Recorded);
    assert_eq!(report.slos[0].stage, None, "errors are those of the whole run");
    assert!(report.slos[0].met);
}

#[test]
fn what_a_stage_lacks_is_said_of_that_stage() {
    let plan = staged_plan(&["1k:5s", "3k:5s"]);
    let mut record = staged_record(&[(1000, MILLISECOND), (3000, MILLISECOND)]);
    record.total.stages[1].tally.answered = 10_000;
    let report = report(&plan, &record);
    let told = &warning(&report, "below-offered-rate").unwrap().message;
    assert!(told.starts_with("stage 2 (3k:5s): 2000.0 of 3000.0 requests"), "{told}");
}

#[test]
fn a_stage_that_was_not_reached_is_not_reported() {
    let plan = staged_plan(&["1k:5s", "3k:5s", "1k:5s"]);
    let mut record = staged_record(&[(1000, MILLISECOND), (3000, MILLISECOND)]);
    record.measured_ns = 8 * SECOND;
    record.interrupted = true;
    let report = report(&plan, &record);
    let lengths: Vec<_> = report.stages.iter().map(|stage| stage.length_s).collect();
    assert_eq!(lengths, [5.0, 3.0]);
}

#[test]
fn runs_are_merged_stage_by_stage() {
    let plan = staged_plan(&["1k:5s", "3k:5s"]);
    let runs: Vec<_> = ["2026-01-02T03:04:05.678Z", "2026-01-02T04:04:05.678Z"]
        .into_iter()
        .map(|started_at| {
            let record = staged_record(&[(1000, MILLISECOND), (3000, 9 * MILLISECOND)]);
            let circumstances =
                Circumstances { started_at: started_at.into(), ..circumstances() };
            build(&plan, &record, circumstances)
        })
        .collect();
    let merged = merge(&runs).unwrap();
    assert_eq!(merged.summary.latency.response, None);
    let [first, second] = &merged.stages[..] else { panic!("{:?}", merged.stages.len()) };
    assert_eq!((first.requests.ok, first.length_s, first.at_s), (10_000, 10.0, None));
    assert_eq!(second.latency.response.as_ref().unwrap().count, 30_000);
    let found: Vec<_> = merged.slos.iter().map(|slo| (slo.stage, slo.verdict())).collect();
    assert_eq!(found, [(Some(1), SloVerdict::Met), (Some(2), SloVerdict::Missed)]);
}

#[test]
fn stages_that_do_not_add_up_are_refused() {
    let plan = staged_plan(&["1k:5s", "3k:5s"]);
    let fine = report(&plan, &staged_record(&[(1000, MILLISECOND), (3000, MILLISECOND)]));
    let spoil = |change: fn(&mut Report)| {
        let mut report = fine.clone();
        change(&mut report);
        report.validate().unwrap_err().to_string()
    };
    for (told, said) in [
        (spoil(|report| report.stages[0].number = 7), "stages"),
        (spoil(|report| report.stages[0].length_s = -1.0), "stages[0]"),
        (spoil(|report| report.stages[1].requests.ok += 1), "stages[1]"),
        (spoil(|report| drop(report.stages.pop())), "stages"),
        (
            spoil(|report| {
                let more = report.stages[0].clone();
                report.stages.push(more);
            }),
            "stages",
        ),
    ] {
        assert!(told.contains(said), "{told}");
    }
}
