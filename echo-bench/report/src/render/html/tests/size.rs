//! Pages of runs with very many intervals.

use super::super::run;
use super::report;
use crate::report::{IntervalReport, LatencySummary, Report, embedding};
use echo_bench_engine::record::Latency;

/// Ten minutes of one-second intervals whose latencies spread over four powers of ten.
fn long() -> Report {
    let mut report = report();
    let mut whole = Latency::default();
    report.plan = crate::small_plan::plan();
    report.intervals.clear();
    for second in 0..600_u64 {
        let mut latency = Latency::default();
        for value in 0..800_u64 {
            let spread = (value * 7919 + second * 104_729) % 9973;
            latency.record(20_000 + spread * spread * 3 / 2);
        }
        whole += &latency;
        report.intervals.push(IntervalReport {
            at_s: second as f64,
            length_s: 1.0,
            ok: 800,
            answered: None,
            errors: second % 2,
            achieved_per_s: Some(800.0),
            response: LatencySummary::new(&latency, &[]),
            client_us_per_message: Some(2.0 + (second % 2) as f64),
            server_us_per_message: None,
        });
    }
    report.summary.measured_s = 600.0;
    report.summary.latency.response = LatencySummary::new(&whole, &[]);
    report
}

#[test]
fn a_run_of_ten_minutes_is_a_small_page_and_says_what_it_merged() {
    let report = long();
    let page = run(&report);
    assert!(page.len() <= 250_000, "{}", page.len());
    let json = embedding::find(&page).unwrap();
    let embedded: Report = serde_json::from_str(json).unwrap();
    let told = format!("each of its {} intervals is up to", embedded.intervals.len());
    assert!(page.contains(&told), "{told}");
    assert_eq!(embedded.summary, report.summary, "the whole is not touched");

    let intervals = &embedded.intervals;
    assert!((20..600).contains(&intervals.len()), "{}", intervals.len());
    assert_eq!(intervals.iter().map(|i| i.ok).sum::<u64>(), 480_000);
    assert_eq!(intervals.iter().map(|i| i.errors).sum::<u64>(), 300);
    assert!((intervals.iter().map(|i| i.length_s).sum::<f64>() - 600.0).abs() < 1e-6);
    let mut whole = Latency::default();
    for interval in intervals {
        whole += &interval.response.as_ref().unwrap().latency().unwrap();
        assert_eq!(interval.achieved_per_s, Some(800.0));
    }
    let original = report.summary.latency.response.unwrap().histogram().unwrap();
    assert_eq!(*whole.histogram(), original, "no count is lost");
    let cost = intervals[0].client_us_per_message.unwrap();
    assert!(cost > 2.0 && cost < 3.0, "{cost} is the mean of its parts");
    assert_eq!(run(&embedded), page, "read back, it makes the same page");
}

#[test]
fn a_run_that_is_small_as_it_is_keeps_every_interval() {
    let mut report = long();
    report.intervals.truncate(30);
    let page = run(&report);
    let embedded: Report = serde_json::from_str(embedding::find(&page).unwrap()).unwrap();
    assert_eq!(embedded, report);
    assert!(!page.contains("To keep this page small"));
}
