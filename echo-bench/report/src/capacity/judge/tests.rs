use super::*;
use crate::capacity::fixture::{run, with_own_share};

fn slos(typed: &[&str]) -> Vec<Slo> {
    typed.iter().map(|slo| slo.parse().unwrap()).collect()
}

fn verdict(typed: &[&str], report: &Report) -> RateVerdict {
    judge(2_000.0, &[report], &slos(typed)).unwrap().verdict
}

#[test]
fn every_objective_must_hold_and_floors_are_not_searched() {
    let all = ["p99<2ms", "p50<5ms", "errors<1%", "rps>1M"];
    let report = |base_us| run(0, 2_000.0, base_us, 0, &slos(&all));
    assert_eq!(verdict(&["p99<2ms", "p50<5ms", "rps>1M"], &report(1_000)), RateVerdict::Passed);
    assert_eq!(verdict(&["p99<2ms", "p50<5ms"], &report(3_000)), RateVerdict::Failed);
    assert_eq!(verdict(&["p99<2ms"], &report(1_900)), RateVerdict::Failed);
    let judged = judge(2_000.0, &[&report(3_000)], &slos(&["p50<10ms", "p99<2ms"])).unwrap();
    let list = slos(&["p50<10ms", "p99<2ms"]);
    assert_eq!(deciding(&list, &judged.slos).unwrap().0.to_string(), "p99<2ms");
}

/// At twice what a server carries, half of the requests may still be answered in time while the
/// window lasts.
#[test]
fn a_backlog_that_grows_fails_whatever_the_latency_is() {
    let list = slos(&["p50<1s"]);
    let judged = judge(2_000.0, &[&run(0, 2_000.0, 1_000, 500, &list)], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Failed, Some(500)));
    // A few are in flight when any window ends.
    let judged = judge(2_000.0, &[&run(0, 2_000.0, 1_000, 4, &list)], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Passed, None));
}

/// Over a long way much is in flight all the time, more or less.
#[test]
fn a_backlog_is_judged_on_the_interval_of_its_growth() {
    let list = slos(&["p50<1s"]);
    let over_a_long_way = |second, late| {
        let mut report = run(second, 2_000.0, 100_000, late, &list);
        report.summary.in_flight_mean = Some(200.0);
        report
    };
    let [first, second] = [(0, 0), (10, 5)].map(|(second, late)| over_a_long_way(second, late));
    // Of a single window it can't be told whether a twentieth was added to the backlog.
    let judged = judge(2_000.0, &[&first], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Undecided, None), "{judged:?}");
    let [least, most] = judged.backlog_growth.unwrap();
    assert!(least <= 0.0 && most > 0.05, "{least} {most}");
    let judged = judge(2_000.0, &[&first, &second], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Passed, None), "{judged:?}");
    let growing = over_a_long_way(0, 400);
    let judged = judge(2_000.0, &[&growing], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Failed, Some(400)));
}

/// Who looks at failures again and again until they tell needs wider intervals, as of latencies.
#[test]
fn errors_are_judged_on_the_interval_of_a_look() {
    let list = slos(&["errors<0.6%"]);
    let mut report = run(0, 2_000.0, 1_000, 0, &list);
    let failed = 4;
    report.summary.requests.ok -= failed;
    report.summary.requests.timeout += failed;
    let once = merge::evidence(&[&report], &report.summary);
    assert_eq!(list[0].judge_by(&once).verdict(), SloVerdict::Met);
    assert_eq!(judge(2_000.0, &[&report], &list).unwrap().verdict, RateVerdict::Undecided);
}

#[test]
fn what_the_generator_adds_never_counts_against_the_server() {
    let list = slos(&["p99<2ms"]);
    let slow = run(0, 2_000.0, 3_000, 0, &list);
    let judged = judge(2_000.0, &[&with_own_share(slow.clone(), 1_000)], &list).unwrap();
    assert_eq!((judged.verdict, judged.without_own_share), (RateVerdict::Passed, true));
    assert!(judged.own_share.unwrap() > 0.6, "{:?}", judged.own_share);
    let judged = judge(2_000.0, &[&with_own_share(slow.clone(), 2_900)], &list).unwrap();
    assert_eq!((judged.verdict, judged.without_own_share), (RateVerdict::Failed, false));
    // Of what it can't tell, nothing is said about the server.
    let limited = |late| {
        let mut report = run(0, 2_000.0, 3_000, late, &list);
        report.warnings.push(crate::report::Warning {
            code: GENERATOR_LIMITED.into(),
            message: String::new(),
            remedy: "more --threads".into(),
        });
        judge(2_000.0, &[&report], &list).unwrap()
    };
    assert_eq!(limited(0).verdict, RateVerdict::Generator);
    assert_eq!(limited(500).verdict, RateVerdict::Generator);
    assert_eq!(limited(0).remedy.as_deref(), Some("more --threads"));
}

#[test]
fn runs_of_one_rate_are_pooled_also_if_their_windows_differ() {
    let list = slos(&["p99<2ms"]);
    let first = run(0, 2_000.0, 1_000, 0, &list);
    let mut second = run(10, 2_000.0, 1_000, 0, &list);
    let longer = second.plan.clone().with(|plan| {
        plan.stop = echo_bench_engine::plan::StopRule::Duration { duration_ns: 7_000_000_000 };
    });
    second.plan = longer.unwrap();
    let judged = judge(2_000.0, &[&first, &second], &list).unwrap();
    assert_eq!((judged.requests.scheduled, judged.verdict), (4_000, RateVerdict::Passed));
    let other = run(20, 3_000.0, 1_000, 0, &list);
    assert!(judge(2_000.0, &[&first, &other], &list).is_err());
}
