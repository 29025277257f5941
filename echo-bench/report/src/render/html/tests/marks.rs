//! What the charts of a run are marked with: the generator's own share, limits of objectives,
//! and how evenly connections were served.

use super::super::curve::Curves;
use super::super::limits::Limits;
use super::{STYLE, latency, report, run};
use crate::report::{CLOCKS, Fairness, GeneratorShare, LatencySummary, OwnPart, Report, Slo};

/// Half of the response of the stamped requests is the generator's own.
fn shared() -> Report {
    let mut report = report();
    let clock = |base_us| LatencySummary::new(&latency(base_us, 2000, 0), &[]).unwrap();
    report.summary.generator_share = Some(GeneratorShare {
        response: clock(100),
        corrected: clock(50),
        exact: 2000,
        implausible: 0,
        quantiles: [("p50".to_owned(), OwnPart { share: 0.5, generator_ns: 60_000 })].into(),
    });
    report
}

#[test]
fn the_band_of_the_own_share_ends_at_the_response_without_what_is_printed_as_own() {
    let report = shared();
    let curves = Curves::of_run(&report).unwrap();
    let corrected = curves.corrected.as_ref().unwrap();
    for (place, quantile) in curves.quantiles.iter().enumerate() {
        let (Some(edge), Some(response)) = (corrected[place], curves.clocks[0].ns[place])
        else {
            continue;
        };
        let left = edge as f64 / response as f64;
        assert!((0.48..0.52).contains(&left), "{quantile}: {left}");
    }
    let page = run(&report);
    assert!(page.contains("own share, the band below response"), "a legend in words");
    assert!(page.contains("without own share</th>"), "every number is in a table");
    assert_eq!(Curves::of_run(&self::report()).unwrap().corrected, None);
    assert!(!run(&self::report()).contains("own share, the band"));
}

#[test]
fn objectives_are_lines_of_the_charts_with_what_became_of_them() {
    let mut report = report();
    let response = report.summary.latency.response.clone();
    let judge = |slo: &str| slo.parse::<Slo>().unwrap().judge(response.as_ref(), &[]);
    report.slos = ["p99<5ms", "p50<1us", "max<1s", "rps>400"].map(judge).into();
    let hostile = report.slos[0].clone();
    report.slos.push(crate::report::SloOutcome { slo: "p99<<script>".into(), ..hostile });
    let limits = Limits::of(&report);
    let names: Vec<_> = limits.latency.iter().map(|limit| limit.name.as_str()).collect();
    assert_eq!(names, ["p99<5ms met", "p50<1us missed", "max<1s undecided"]);
    let drawn: Vec<_> =
        limits.latency.iter().map(|limit| (limit.at, limit.quantile, limit.color)).collect();
    let second = 1_000_000_000;
    assert_eq!(
        drawn,
        [(5_000_000, Some(0.99), "good"), (1000, Some(0.5), "bad"), (second, None, "fair")]
    );
    assert_eq!((limits.throughput.len(), limits.throughput[0].at), (1, 400));
    assert_eq!(Curves::of_run(&report).unwrap().limits, limits.latency);
    report.slos = vec![report.slos[0].clone(); 1000];
    assert_eq!(Limits::of(&report).latency.len(), 8, "a page has room for few");
}

#[test]
fn every_clock_has_a_colour_by_day_and_by_night() {
    for clock in CLOCKS.iter().filter(|clock| clock.of_requests) {
        let color = format!("--{}: #", clock.name);
        assert_eq!(STYLE.matches(&color).count(), 2, "{color}");
    }
}

#[test]
fn connections_are_a_strip_and_a_single_one_is_none() {
    let mut report = report();
    let fairness = Fairness {
        connections: 4,
        starved: 1,
        below_tenth: 1,
        min: 0,
        median: 90,
        max: 100,
        jain: 0.75,
        mean_latency_ns: None,
        spread: vec![0, 80, 90, 100],
    };
    report.summary.fairness = Some(fairness.clone());
    let page = run(&report);
    for said in
        ["replies per connection</h2>", "fewest 0", "1 connection got less", "id=\"served\""]
    {
        assert!(page.contains(said), "no {said}");
    }
    let one = Fairness { connections: 1, spread: vec![100], ..fairness };
    report.summary.fairness = Some(one);
    assert!(!run(&report).contains("replies per connection</h2>"));
}
