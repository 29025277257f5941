//! What is concluded from records that are made up.

use super::*;
use crate::report::IntervalReport;
use crate::small_plan::{plan, plan_with};
use echo_bench_engine::IntervalRecord;
use echo_bench_engine::plan::StopRule;
use echo_bench_engine::record::{FailureKind, FirstOffender as First, Interval, Phase};
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

mod staged;

const SECOND: Nanos = 1000 * MILLISECOND;

/// One interval's record: so many answered and timed out, the former at one latency.
fn interval(index: u64, ok: u64, timeout: u64, latency_ns: Nanos) -> Interval {
    let mut interval = Interval::new(index, false);
    interval.tally.scheduled = ok + timeout;
    (interval.tally.ok, interval.tally.answered, interval.tally.timeout) = (ok, ok, timeout);
    (0..ok).for_each(|_| interval.latencies.response.record(latency_ns));
    (0..timeout).for_each(|_| interval.latencies.response.record_censored(latency_ns));
    interval
}

/// A window of this length, in these intervals.
fn record(measured_ns: Nanos, intervals: &[Interval]) -> RunRecord {
    let mut total = Interval::new(0, false);
    for interval in intervals {
        total += interval;
    }
    RunRecord {
        established: 2,
        connect_phase_ns: 1,
        alive_at_end: 2,
        measured_ns,
        load_ns: measured_ns,
        last_reply_ns: Some(measured_ns),
        total,
        intervals: intervals
            .iter()
            .map(|interval| IntervalRecord {
                index: interval.index,
                tally: interval.tally,
                response: Packed::new(&interval.latencies.response),
            })
            .collect(),
        ..RunRecord::default()
    }
}

fn circumstances() -> Circumstances {
    Circumstances {
        command: Vec::new(),
        started_at: "2026-01-02T03:04:05.678Z".into(),
        window_started_at: None,
        server: None,
        labels: BTreeMap::new(),
        environment: Environment::default(),
        slos: vec!["p99<5ms".parse().unwrap()],
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

fn report(plan: &Plan, record: &RunRecord) -> Report {
    build(plan, record, circumstances())
}

fn warning<'a>(report: &'a Report, code: &str) -> Option<&'a super::super::Warning> {
    report.warnings.iter().find(|warning| warning.code == code)
}

#[test]
fn a_piece_without_length_is_no_point_of_the_time_series_and_nothing_of_it_is_lost() {
    // The drain of a whole window, of one that a signal has cut, and no window at all.
    for (measured_ns, lengths) in [
        (2 * SECOND, &[1.0, 1.0][..]),
        (2 * SECOND + MILLISECOND, &[1.0, 1.001]),
        (2 * SECOND + SECOND / 2, &[1.0, 1.0, 0.5]),
        (2 * SECOND - SECOND / 2, &[1.0, 0.5]),
        (SECOND / 1000, &[0.001]),
        (0, &[]),
    ] {
        let pieces = [
            interval(0, 100, 0, MILLISECOND),
            interval(1, 100, 0, MILLISECOND),
            interval(2, 3, 4, 900 * MILLISECOND),
        ];
        let report = report(&plan(), &record(measured_ns, &pieces));
        let seen: Vec<_> = report.intervals.iter().map(|interval| interval.length_s).collect();
        assert_eq!(seen, lengths, "{measured_ns}");
        if measured_ns > 0 {
            let sum =
                |count: fn(&IntervalReport) -> u64| report.intervals.iter().map(count).sum();
            let (ok, errors): (u64, u64) = (sum(|i| i.ok), sum(|i| i.errors));
            assert_eq!((ok, errors), (203, 4), "{measured_ns}");
            let values = |i: &IntervalReport| i.response.as_ref().map_or(0, |r| r.count);
            assert_eq!(report.intervals.iter().map(values).sum::<u64>(), 207, "{measured_ns}");
        }
    }
}

#[test]
fn a_run_whose_replies_end_before_it_does_is_invalid() {
    let by_time = StopRule::Duration { duration_ns: 5 * SECOND };
    let by_number = StopRule::Requests { requests: 1000 };
    // When the last reply came, the answers, those without one, and whether that is told.
    for (stop, last_ns, ok, failed, silent) in [
        (by_time, 3 * SECOND / 2, 1000, 4, true),
        (by_time, 3 * SECOND / 2, 4, 4, false),
        (by_time, 3 * SECOND / 2, 1000, 0, false),
        (by_time, 5 * SECOND - SECOND / 4, 1000, 4, false),
        (by_time, 5 * SECOND, 1000, 4, false),
        (by_number, 3 * SECOND / 2, 800, 4, true),
        (by_number, 3 * SECOND / 2, 996, 4, false),
    ] {
        let plan = plan_with(|plan| plan.stop = stop);
        let mut record = record(5 * SECOND, &[interval(0, ok, failed, MILLISECOND)]);
        record.last_reply_ns = Some(last_ns);
        let report = report(&plan, &record);
        let case = format!("{stop:?}, last at {last_ns}, {ok} ok, {failed} failed");
        let told = warning(&report, "no-replies").map(|warning| warning.message.as_str());
        assert_eq!(told, silent.then_some("no replies for the last 3.5 s of 5.0 s"), "{case}");
        assert_eq!(report.verdict == Verdict::Invalid, silent, "{case}");
    }
}

#[test]
fn wrong_replies_are_not_said_to_be_none() {
    let mut record = record(5 * SECOND, &[interval(0, 1000, 4, MILLISECOND)]);
    record.last_reply_ns = Some(3 * SECOND / 2);
    for interval in [&mut record.total.tally, &mut record.intervals[0].tally] {
        (interval.error, interval.timeout) = (interval.failed(), 0);
    }
    let report = report(&plan(), &record);
    let told = &warning(&report, "no-replies").unwrap().message;
    assert_eq!(told, "no successful replies for the last 3.5 s of 5.0 s");
}

#[test]
fn ports_that_ran_out_are_the_generators_limit_and_a_few_do_no_harm() {
    for (failed, verdict) in [(1, Verdict::Qualified), (50, Verdict::Invalid)] {
        let mut record = record(SECOND, &[interval(0, 1000, 0, MILLISECOND)]);
        record.reconnects = 998;
        let first = || First {
            connection: 1,
            request: None,
            detail: "Cannot assign requested address".into(),
            difference: None,
        };
        record.total.errors.count(Phase::Window, FailureKind::NoSocket, failed, 0, first);
        let report = report(&plan(), &record);
        let warning = warning(&report, crate::report::GENERATOR_LIMITED).unwrap();
        assert!(warning.message.contains("local port"), "{warning}");
        assert!(warning.remedy.contains("--source-ip"), "{warning}");
        assert_eq!(report.verdict, verdict, "{failed}");
        let shown = crate::render::text::report(&report);
        assert!(!shown.contains("0 failed"), "{shown}");
    }
}

#[test]
fn reconnects_are_told_where_there_were_some() {
    for reconnects in [0, 7] {
        let mut record = record(SECOND, &[interval(0, 1000, 1, MILLISECOND)]);
        record.reconnects = reconnects;
        let first =
            || First { connection: 1, request: None, detail: "gone".into(), difference: None };
        record.total.errors.count(Phase::Window, FailureKind::Reset, 1, 0, first);
        let report = report(&plan(), &record);
        let lost = warning(&report, "connections-lost").unwrap().to_string();
        let shown = crate::render::text::report(&report);
        for text in [lost, shown] {
            assert_eq!(text.contains("reconnects"), reconnects > 0, "{text}");
            assert!(!text.contains("again"), "{text}");
        }
    }
}

#[test]
fn connections_that_are_lost_before_the_load_are_told_unless_they_are_restored() {
    for (alive_at_end, lost) in [(1, true), (2, false)] {
        let mut record = record(SECOND, &[interval(0, 1000, 0, MILLISECOND)]);
        record.alive_at_end = alive_at_end;
        let first = || First::of_connection(1, "the server closed the connection".into());
        record.total.errors.count(Phase::SetUp, FailureKind::Closed, 1, 0, first);
        let report = report(&plan(), &record);
        assert_eq!(warning(&report, "connections-lost").is_some(), lost, "{alive_at_end}");
    }
}

#[test]
fn an_error_says_its_phase_and_the_requests_that_failed_by_it() {
    for (phase, requests, words) in [
        (Phase::SetUp, 0, "2 times during set-up; first"),
        (Phase::WarmUp, 0, "2 times during warm-up; first"),
        (Phase::Window, 2, "2 times; first"),
        (Phase::Window, 3, "2 times (3 requests failed); first"),
        (Phase::Drain, 0, "2 times during the drain; first"),
    ] {
        let mut record = record(SECOND, &[interval(0, 1000, requests, MILLISECOND)]);
        let first = || First::of_connection(1, "gone".into());
        record.total.errors.count(phase, FailureKind::Reset, 2, requests, first);
        let report = report(&plan(), &record);
        assert_eq!(
            (report.errors[0].phase, report.errors[0].requests),
            (Some(phase), Some(requests))
        );
        let shown = crate::render::text::report(&report);
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_report_without_receive_stamps_says_why() {
    let mut record = record(SECOND, &[interval(0, 1000, 0, MILLISECOND)]);
    record.unstamped = Some("no such option".into());
    let report = report(&plan(), &record);
    assert_eq!(report.summary.unstamped.as_deref(), Some("no such option"));
    let shown = crate::render::text::report(&report);
    let words = "own share  n/a: no receive timestamps of the kernel (no such option)";
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn intervals_and_drain_are_the_whole_to_the_last_count() {
    let mut drained = record::Latency::default();
    (0..10).for_each(|_| drained.record(700 * MILLISECOND));
    let mut record = record(
        2 * SECOND,
        &[interval(0, 90, 0, MILLISECOND), interval(1, 100, 0, MILLISECOND)],
    );
    record.total.latencies.response += &drained;
    (record.total.tally.ok, record.total.tally.scheduled) = (200, 200);
    record.intervals[1].tally.ok += 10;
    record.drained = Some(Packed::new(&drained));
    let report = report(&plan(), &record);
    let last = report.intervals[1].response.as_ref().unwrap();
    assert!(last.max_ns < 2 * MILLISECOND, "the drain is no part of the series");
    let parts = report.intervals.iter().filter_map(|piece| piece.response.as_ref());
    let mut sum = record::Latency::default();
    for part in parts.chain(&report.drained) {
        sum += &part.latency().unwrap();
    }
    let whole = report.summary.latency.response.as_ref().unwrap();
    assert_eq!(LatencySummary::counted(&sum).unwrap().hdr, whole.hdr);
}

#[test]
fn a_judgement_that_fails_does_not_lose_the_run() {
    let failing: Judge = |_, _, _, _, _| panic!("on purpose, to see what becomes of the run");
    let record = record(SECOND, &[interval(0, 1000, 0, MILLISECOND)]);
    let report = build_with(failing, &plan(), &record, circumstances());
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
    let mut record = record(SECOND, &[interval(0, 1000, 0, MILLISECOND)]);
    record.total.tally.scheduled = 1001;
    let report = report(&plan(), &record);
    assert_eq!(report.verdict, Verdict::Invalid);
    let told = warning(&report, "unbalanced-counts").unwrap();
    assert!(told.message.contains("1001 requests were scheduled and 1000 ended"));
    assert!(report.slos[0].met);
}

/// The remedy for percentiles without an interval of 20 pieces, with this `--until`, and the
/// time in seconds that it names.
fn remedy_of_few(until: Option<&str>, ended_early: Option<EarlyEnd>) -> (String, Option<u64>) {
    let plan = plan_with(|plan| {
        plan.stop = StopRule::Duration { duration_ns: 100 * SECOND };
        plan.until = until.map(|until| until.parse().unwrap());
    });
    let intervals: Vec<Interval> =
        (0..20).map(|index| interval(index, 5, 0, MILLISECOND * (index * 7 % 5 + 1))).collect();
    let mut record = record(20 * SECOND, &intervals);
    record.pieces = record.intervals.iter().map(|one| one.response.clone()).collect();
    let report = build(&plan, &record, Circumstances { ended_early, ..circumstances() });
    let remedy = warning(&report, "few-samples").unwrap().remedy.clone();
    let named = remedy
        .split_once("at least ")
        .map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap());
    (remedy, named)
}

#[test]
fn the_length_that_would_do_allows_for_the_looks_and_names_until_where_that_ended_the_run() {
    let (plain, seconds) = remedy_of_few(None, None);
    let (looked_at, longer) = remedy_of_few(Some("p50+-5%"), None);
    assert!(longer > seconds, "{plain}, {looked_at}");
    let ended = EarlyEnd { look: 1, at_ns: 20 * SECOND };
    let (cut, _) = remedy_of_few(Some("p50+-5%"), Some(ended));
    assert!(cut.starts_with("name p99 with --until, or leave that out"), "{cut}");
}
