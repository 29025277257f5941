use super::*;
use crate::capacity::fixture::{run, with_own_share};
use crate::report::{GENERATOR_LIMITED, LINK_LATE, LINK_OVERRUN, LinkReport, TcpReport};
use echo_bench_link::{Lateness, LinkCounts};

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

/// A run over an emulated link whose packets were late by up to so many microseconds, one in a
/// hundred by the first and one by the second, and whose forwarder lost so many.
fn over_a_faulty_link(mut report: Report, late_us: [u64; 2], lost: u64) -> Report {
    let [p99_ns, max_ns] = late_us.map(|us| us * 1_000);
    let lateness = Some(Lateness { p50_ns: 0, p99_ns, max_ns });
    let counts = LinkCounts { lateness, lost_by_forwarder: lost, ..LinkCounts::default() };
    report.link = Some(LinkReport {
        spec: "rtt=20ms".parse().unwrap(),
        preset: None,
        rtt_ns: 20_000_000,
        jitter_ns: 0,
        loss: 0.0,
        rate_bits_per_s: None,
        queue_bytes: None,
        own_rtt_ns: None,
        counts: Some(counts),
    });
    let faults = [(LINK_LATE, max_ns > 0), (LINK_OVERRUN, lost > 0)];
    for (code, _) in faults.into_iter().filter(|(_, is_there)| *is_there) {
        let (message, remedy) = (String::new(), "lower the load".into());
        report.warnings.push(crate::report::Warning { code: code.into(), message, remedy });
    }
    report
}

fn timed_out(mut report: Report, count: u64) -> Report {
    let requests = &mut report.summary.requests;
    (requests.ok, requests.timeout) = (requests.ok - count, requests.timeout + count);
    report.summary.answered_in_window -= count;
    report
}

/// What was late on the way, or lost, is no doing of the server; the rest is.
#[test]
fn a_link_excuses_only_what_it_explains() {
    let judged = |typed: &[&str], report: &Report| {
        let judged = judge(2_000.0, &[report], &slos(typed)).unwrap();
        (judged.verdict, judged.backlog.is_some())
    };
    let run = |base_us| run(0, 2_000.0, base_us, 0, &[]);
    // Each request crosses the link twice.
    for (base_us, late_us, verdict) in [
        (2_100, [120, 300], RateVerdict::Generator),
        (3_000, [120, 300], RateVerdict::Failed),
        (3_000, [120, 900], RateVerdict::Failed),
        (3_000, [900, 900], RateVerdict::Generator),
        (1_000, [900, 900], RateVerdict::Passed),
    ] {
        let report = over_a_faulty_link(run(base_us), late_us, 0);
        assert_eq!(judged(&["p50<2ms"], &report).0, verdict, "{base_us} {late_us:?}");
    }
    // A lost packet delays what its connection carries until it is sent again.
    for (failed, lost, verdict) in [
        (100, 1, RateVerdict::Generator),
        (1_000, 1, RateVerdict::Failed),
        (1_000, 9, RateVerdict::Generator),
    ] {
        let mut report = over_a_faulty_link(run(1_000), [0, 0], lost);
        report.summary.requests.ok -= failed;
        report.summary.requests.reset += failed;
        assert_eq!(judged(&["errors<1%"], &report).0, verdict, "{failed} {lost}");
        let report = over_a_faulty_link(timed_out(run(1_000), failed), [0, 0], lost);
        assert_eq!(judged(&["p50<1s"], &report), (verdict, true), "{failed} {lost}");
    }
}

/// As many packets as were sent again have held up something, and for as long as that took.
#[test]
fn a_lost_packet_excuses_what_was_sent_again() {
    let judged = |tcp: Option<[u64; 2]>| {
        let mut report = over_a_faulty_link(run(0, 2_000.0, 1_000, 0, &[]), [0, 0], 9);
        report.summary.requests.ok -= 1_000;
        report.summary.requests.reset += 1_000;
        let surroundings = report.summary.surroundings.as_mut().unwrap();
        surroundings.tcp = tcp.map(|[retransmits, timeouts]| TcpReport {
            retransmits,
            timeouts,
            delayed_acks: 0,
            syn_retransmits: 0,
            listen_overflows: 0,
        });
        judge(2_000.0, &[&report], &slos(&["errors<1%"])).unwrap().verdict
    };
    assert_eq!(judged(None), RateVerdict::Generator, "it is not known");
    assert_eq!(judged(Some([9, 9])), RateVerdict::Generator);
    assert_eq!(judged(Some([9, 0])), RateVerdict::Failed, "sent again at once");
    assert_eq!(judged(Some([0, 0])), RateVerdict::Failed, "only acknowledgements");
}

/// Requests that time out leave the backlog, so that it stops growing: it is as long as the
/// timeout then, and what varies by chance is allowed for in that length.
#[test]
fn timeouts_do_not_hide_a_backlog() {
    let list = slos(&["p50<1s"]);
    let mut report = timed_out(run(0, 2_000.0, 1_000, 0, &list), 1_000);
    report.summary.in_flight_mean = Some(10_000.0);
    let judged = judge(2_000.0, &[&report], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Failed, Some(1_000)));
    // A few that the server never answers are counted as failures, and are no backlog.
    let report = timed_out(run(0, 2_000.0, 1_000, 0, &list), 4);
    let judged = judge(2_000.0, &[&report], &list).unwrap();
    assert_eq!((judged.verdict, judged.backlog), (RateVerdict::Passed, None));
}
