//! `--fastopen`: requests in the SYN, where both sides and both systems allow it.

use std::fs;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::tell_skipped;
use serde_json::Value;

use crate::emulated_link::usable_or_skip;

const ON_BOTH_SIDES: [&str; 2] = ["--fastopen=on", "--server-fastopen=on"];

/// A run whose connections have one request each.
fn run(flags: &[&str]) -> Finished {
    let common = ["--model=epoll", "--warmup=0", "--reconnect-after=1", "--conns=1"];
    let finished = BenchProcess::start(&[&common, flags].concat()).finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{flags:?}: {}", finished.stderr);
    finished
}

/// The notes on options that the kernel did not take, of the generator first.
fn notes(report: &Value) -> Vec<&Value> {
    let warnings = report["warnings"].as_array().expect("a list").iter();
    warnings.filter(|one| one["code"] == "option-changed").collect()
}

#[test]
fn a_connection_whose_request_is_in_the_syn_takes_one_round_trip_less() {
    if !usable_or_skip() {
        return;
    }
    for engine in ["--engine=epoll", "--engine=uring"] {
        let common = ["--link=rtt=20ms", "--requests=30", engine];
        let (plain, fast) = (run(&common), run(&[&common, &ON_BOTH_SIDES[..]].concat()));
        // A connection and its request, one after the other.
        let each_s = |run: &Finished| {
            1.0 / run.report()["summary"]["achieved_per_s"].as_f64().expect("a rate")
        };
        let ratio = each_s(&fast) / each_s(&plain);
        assert!(ratio < 0.75, "{engine}: {ratio}");
        let (plain, fast) = (&plain.report()["summary"], &fast.report()["summary"]);
        assert!(plain["latency"]["connect"]["p50_ns"].as_u64() >= Some(20_000_000));
        assert_eq!(plain["tcp"]["with_syn_data"], Value::Null);
        // The first has no cookie.
        let counted = |what: &str| fast["tcp"][what].as_u64().expect("a count");
        let (all, with_data) = (counted("connections"), counted("with_syn_data"));
        assert!(with_data >= 25 && with_data < all, "{engine}: {with_data} of {all}");
        assert_eq!(fast["latency"]["connect"], Value::Null);
        assert_eq!(fast["requests"]["ok"], 30);
        for socket in [&fast["socket"], &fast["server_side"]["socket"]] {
            assert_eq!(socket["fastopen"], true, "{engine}: {socket}");
        }
    }
}

#[test]
fn a_client_hello_fits_into_the_syn() {
    if !usable_or_skip() {
        return;
    }
    let tls = ["--server-tls-self-signed", "--tls", "--insecure"];
    let run =
        run(&[&["--link=rtt=5ms", "--requests=20"], &tls[..], &ON_BOTH_SIDES[..]].concat());
    let summary = &run.report()["summary"];
    assert!(summary["tcp"]["with_syn_data"].as_u64() >= Some(15), "{}", summary["tcp"]);
    assert_eq!(summary["requests"]["ok"], 20);
}

#[test]
fn a_system_that_does_not_allow_it_is_named_with_the_remedy() {
    let test = "a_system_that_does_not_allow_it_is_named_with_the_remedy";
    let allowed = fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen");
    let allowed: u32 = allowed.expect("it is Linux").trim().parse().expect("a number");
    if allowed & 3 != 1 {
        return tell_skipped(test, "net.ipv4.tcp_fastopen is not 1, the default");
    }
    let run = run(&[&["--requests=20"], &ON_BOTH_SIDES[..]].concat());
    let report = run.report();
    assert_eq!(report["summary"]["tcp"]["with_syn_data"], 0);
    for socket in [&report["summary"]["socket"], &report["summary"]["server_side"]["socket"]] {
        assert_eq!(socket["fastopen"], false, "{socket}");
    }
    let notes = notes(report);
    assert_eq!(notes.len(), 2, "{notes:?}");
    for (note, side) in notes.into_iter().zip(["generator", "server"]) {
        let part = |name: &str| note[name].as_str().expect("a text");
        let (message, remedy) = (part("message"), part("remedy"));
        assert!(message.contains("--fastopen off") && message.contains(side), "{message}");
        assert!(remedy.contains("sysctl -w net.ipv4.tcp_fastopen=3"), "{remedy}");
    }
}
