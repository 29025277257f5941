//! What is read of a run that was killed, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::report::document::Stored;
use crate::report::{Environment, Slo, SloVerdict};
use crate::small_plan;
use echo_bench_engine::plan::Settings;

/// A plan whose window is longer than what is measured of it.
fn plan() -> Plan {
    plan_with(|_| {})
}

fn plan_with(change: impl FnOnce(&mut Settings)) -> Plan {
    small_plan::plan_with(|plan| {
        plan.stop = StopRule::Duration { duration_ns: 600 * SECOND };
        change(plan);
    })
}

/// The text of a run with `pieces` pieces, each with 100 right answers of 1 to 100 us.
fn written(plan: &Plan, pieces: u64) -> String {
    let circumstances = Circumstances {
        command: Vec::new(),
        started_at: "2026-01-01T00:00:00Z".into(),
        window_started_at: None,
        server: None,
        labels: [("a".to_owned(), "b".to_owned())].into(),
        environment: Environment::default(),
        slos: ["p50<5ms", "p90<5ms"].map(|slo| slo.parse::<Slo>().unwrap()).to_vec(),
        server_workers: Some(1),
        server_killed: false,
        server_ended: None,
        ended_early: None,
        link: None,
        start: None,
        server_side: None,
        noise_floor: None,
        live_view_busy: None,
    };
    let mut connect = Latency::default();
    connect.record(5_000);
    let connected = Connected {
        established: 1,
        phase_ns: 9_000,
        connect: &connect,
        handshakes: &Handshakes::default(),
    };
    let header = Header::new(plan, &circumstances, &connected);
    let mut text = serde_json::to_string(&header).unwrap() + "\n";
    for index in 0..pieces {
        let mut interval = Interval::new(index, plan.has_waits());
        for us in 1..=100 {
            interval.latencies.record((0, us * 500, us * 1_000), 1, false);
        }
        interval.tally = Tally { scheduled: 101, ok: 100, answered: 100, ..Tally::default() };
        let sums = (index > 0).then_some(Sums { replies: 100, ..Sums::default() });
        text += &(serde_json::to_string(&Piece::new(index, &interval, sums)).unwrap() + "\n");
    }
    text
}

#[test]
fn the_pieces_add_up_to_a_report_that_was_interrupted() {
    let plan = plan();
    let text = written(&plan, 3);
    assert!(is_partial(&text));
    let report = read(&text).unwrap();
    assert!(report.interrupted);
    assert_eq!((&report.plan, report.tool.clone()), (&plan, Tool::this()));
    let requests = report.summary.requests;
    assert_eq!((requests.scheduled, requests.ok, requests.in_flight), (303, 300, 3));
    assert_eq!(report.intervals.len(), 3);
    // It is fit to be stored and read as any report is.
    assert_eq!(report.validate().map_err(|invalid| invalid.to_string()), Ok(()));
    let response = report.summary.latency.response.unwrap();
    assert_eq!((response.count, response.p50_ns / 1_000), (300, 50));
    assert_eq!(report.summary.connections.connect_phase_ns, 9_000);
    assert_eq!((report.slos[0].met, report.labels["a"].as_str()), (true, "b"));
    assert_eq!(report.slos[1].verdict(), SloVerdict::Undecided, "three pieces are no series");
}

#[test]
fn who_follows_a_run_sees_the_same_piece_by_piece() {
    for waits in [false, true] {
        let plan = plan_with(|plan| {
            plan.interval_ns = SECOND / 10;
            if waits {
                plan.workload = small_plan::pooled().workload.clone();
            }
        });
        let text = written(&plan, 3);
        let (mut following, mut total) = (Following::default(), Interval::new(0, waits));
        for (number, line) in text.lines().enumerate() {
            match following.line(line).unwrap() {
                Said::Begun { plan, established } => {
                    assert_eq!((number, established, plan.interval_ns), (0, 1, SECOND));
                }
                Said::Measured(measured) => {
                    assert_eq!(measured.sums.is_some(), measured.interval.index > 0);
                    total += &measured.interval;
                }
            }
        }
        let report = read(&text).unwrap();
        assert_eq!(total.tally.ok, report.summary.requests.ok);
        assert_eq!(total.latencies.open.is_some(), waits);
        let again = following.line(text.lines().nth(1).unwrap()).unwrap_err().to_string();
        assert!(again.contains("line 5: interval 0 where 3 is expected"), "{again}");
    }
}

#[test]
fn the_wait_for_a_connection_of_a_pool_is_told_from_the_service() {
    let workload = small_plan::pooled().workload.clone();
    let plan = plan_with(|plan| plan.workload = workload);
    let latency = read(&written(&plan, 3)).unwrap().summary.latency;
    let p50_us = |clock: Option<LatencySummary>| clock.map(|clock| clock.p50_ns / 1_000);
    assert_eq!((p50_us(latency.response), p50_us(latency.service)), (Some(50), Some(25)));
    assert_eq!(p50_us(latency.wait), Some(25));
}

#[test]
fn short_intervals_are_written_once_a_second() {
    let plan = |interval_ns| plan_with(|plan| plan.interval_ns = interval_ns);
    for (interval_ns, together) in
        [(SECOND / 100, 100), (SECOND * 3 / 10, 3), (SECOND, 1), (60 * SECOND, 1)]
    {
        assert_eq!(intervals_per_piece(&plan(interval_ns)), together);
    }
    let report = read(&written(&plan(SECOND / 100), 2)).unwrap();
    assert_eq!(report.plan.interval_ns, SECOND / 100);
    assert!((report.intervals[1].length_s - 1.0).abs() < 1e-9);
}

#[test]
fn a_line_that_was_not_finished_is_left_out() {
    let text = written(&plan(), 3);
    let report = read(&text[..text.len() - 1]).unwrap();
    assert_eq!(report.summary.requests.ok, 200);
    for nothing in [&written(&plan(), 0), "", &text[..40]] {
        assert!(matches!(read(nothing), Err(PartialError::Nothing)), "{nothing}");
    }
}

const CLOSED: &str = r#""load":{"model":"closed","pipeline":1}"#;
/// Without a rate, no instant follows.
const OPEN: &str =
    r#""load":{"model":"open","rate_per_s":0.0,"arrival":"poisson","pipeline":1}"#;

#[test]
fn what_does_not_add_up_is_refused_with_its_line() {
    let good = written(&plan(), 3);
    let replaced = |line: usize, old: &str, new: &str| {
        let mut lines: Vec<String> = good.lines().map(|line| format!("{line}\n")).collect();
        assert!(lines[line - 1].contains(old), "{}", lines[line - 1]);
        lines[line - 1] = lines[line - 1].replacen(old, new, 1);
        lines.concat()
    };
    for (text, words) in [
        (replaced(1, "partial/1", "partial/2"), "line 1: this version reads"),
        (replaced(1, "\"established\":1", "\"established\":9000"), "line 1: more connections"),
        (replaced(1, "\"interval_ns\":1000000000", "\"interval_ns\":1"), "line 1: --interval"),
        (replaced(1, CLOSED, OPEN), "line 1: --rate must be above 0"),
        (replaced(2, "\"index\":0", "\"index\":1"), "line 2: interval 1 where 0"),
        (replaced(3, "\"ok\":100", "\"ok\":18446744073709551615"), "line 3: a count is above"),
        (replaced(3, "\"ok\":100", "\"ok\":-1"), "line 3: "),
        (replaced(4, "\"hdr\":\"", "\"hdr\":\"AAAA"), "line 4: a histogram can't be read"),
        (replaced(4, "\"censored\":0", "\"censored\":900"), "line 4: a histogram's counts"),
    ] {
        let told = read(&text).unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
    }
    let far = replaced(1, "\"interval_ns\":1000000000", "\"interval_ns\":18446744073709551615");
    assert!(read(&far).is_err());
}

proptest! {
    /// Digits are where the numbers are.
    #[test]
    fn no_damage_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9a-z\"{}]"), 1..6),
    ) {
        let mut text = written(&plan(), 3).into_bytes();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte.as_bytes()[0];
        }
        let text = String::from_utf8_lossy(&text);
        drop(read(&text));
        let mut following = Following::default();
        for line in text.lines() {
            drop(following.line(line));
        }
    }
}
