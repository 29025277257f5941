//! Every fault is found, told apart, counted exactly, and its first offender is named.

use serde_json::Value;

use crate::bench_process::{BenchProcess, Finished};
use crate::deadline::PATIENCE;
use crate::fault_server::{Fault, FaultServer};
use crate::turn::turn;

/// 400 requests over two connections, four in flight on each.
fn run_against(server: &FaultServer, more: &[&str]) -> Finished {
    let address = server.address();
    let mut arguments = vec![
        address.as_str(),
        "--conns=2",
        "--threads=1",
        "--pipeline=4",
        "--requests=400",
        "--warmup=0",
        "--timeout=400ms",
        "--quiet",
    ];
    arguments.extend(more);
    BenchProcess::start(&arguments).finish(PATIENCE)
}

fn error<'a>(finished: &'a Finished, kind: &str) -> Option<&'a Value> {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    errors.iter().find(|error| error["kind"] == kind)
}

#[track_caller]
fn count(finished: &Finished, kind: &str) -> u64 {
    error(finished, kind).map_or(0, |error| error["count"].as_u64().expect("by the schema"))
}

/// The kinds of all errors, for a test that expects just one.
fn kinds(finished: &Finished) -> Vec<&str> {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    errors.iter().filter_map(|error| error["kind"].as_str()).collect()
}

#[test]
fn a_wrong_byte_is_corrupt_and_shown() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Corrupt { every: 10, offset: 30 });
    let finished = run_against(&server, &[]);
    assert_eq!(kinds(&finished), ["corrupt"]);
    assert_eq!(count(&finished, "corrupt"), server.committed());
    assert_eq!(finished.requests("mismatch"), server.committed());
    assert_eq!(finished.requests("ok"), 400 - server.committed());
    let first = &error(&finished, "corrupt").expect("just counted")["first"];
    assert_eq!(first["request"], 9, "the tenth request of a connection");
    assert_eq!(first["offset"], 30);
    let (expected, got) = (first["expected"].as_str(), first["got"].as_str());
    assert!(got.is_some_and(|got| got.starts_with('?')), "{first}");
    assert_eq!(got.map(|got| &got[1..]), expected.map(|expected| &expected[1..]));
    assert_eq!(finished.code, Some(1));
}

#[test]
fn a_reply_cut_short_is_truncated() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Truncate { every: 7, length: 20 });
    let finished = run_against(&server, &[]);
    assert_eq!(kinds(&finished), ["truncated"]);
    assert_eq!(count(&finished, "truncated"), server.committed());
    assert_eq!(finished.requests("ok"), 400 - server.committed());
    assert_eq!(error(&finished, "truncated").expect("just counted")["first"]["offset"], 20);
}

#[test]
fn a_second_reply_is_duplicated_and_takes_no_other_request_with_it() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Duplicate(10));
    let finished = run_against(&server, &[]);
    // The second copy of the very last reply may come when nobody listens any more.
    let seen = count(&finished, "duplicated") + count(&finished, "unsolicited");
    assert!(seen <= server.committed() && seen + 2 >= server.committed(), "{seen}");
    assert_eq!(finished.requests("ok"), 400);
}

#[test]
fn a_reply_that_never_comes_is_dropped_or_timed_out() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Drop(10));
    let finished = run_against(&server, &[]);
    let (dropped, timeout) = (count(&finished, "dropped"), count(&finished, "timeout"));
    assert_eq!(dropped + timeout, server.committed());
    assert!(dropped > timeout, "later replies show what was passed over: {dropped} {timeout}");
    assert_eq!(finished.requests("mismatch"), dropped);
    assert_eq!(finished.requests("ok"), 400 - server.committed());
    let censored = &finished.report()["summary"]["latency"]["response"]["censored"];
    assert_eq!(censored.as_u64(), Some(server.committed()), "an unanswered request vanished");
}

#[test]
fn the_reply_of_another_connection_is_foreign() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Swap(5));
    // Half of the requests for each, so that every message finds its counterpart.
    let finished = run_against(&server, &["--rate=2000"]);
    assert_eq!(kinds(&finished), ["foreign"]);
    assert_eq!(count(&finished, "foreign"), server.committed());
    assert_eq!(finished.requests("mismatch"), server.committed());
    assert_eq!(finished.requests("ok"), 400 - server.committed());
}

#[test]
fn chatter_is_unsolicited_and_takes_no_request_with_it() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Babble(10));
    let finished = run_against(&server, &[]);
    let seen = count(&finished, "unsolicited");
    assert_eq!(kinds(&finished), ["unsolicited"]);
    assert!(seen <= server.committed() && seen + 2 >= server.committed(), "{seen}");
    assert_eq!(finished.requests("ok"), 400);
    assert_eq!(finished.report()["verdict"], "qualified", "chatter is no valid run");
}

#[test]
fn a_reset_loses_what_was_in_flight_and_the_connection_is_made_again() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Reset(50));
    let finished = run_against(&server, &[]);
    // The kernel tells a reset; a reset while nothing was in flight would lose nothing.
    assert_eq!(count(&finished, "reset"), server.committed());
    assert!(finished.requests("reset") >= server.committed());
    let reconnects = &finished.report()["summary"]["connections"]["reconnects"];
    assert!(reconnects.as_u64() >= Some(server.committed() - 2), "{reconnects}");
    assert_eq!(finished.requests("ok") + finished.requests("reset"), 400);
}

#[test]
fn a_server_that_falls_silent_is_no_fast_server() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Mute(20));
    let address = server.address();
    let finished = BenchProcess::start(&[
        &address,
        "--conns=2",
        "--threads=1",
        "--pipeline=4",
        "--duration=1s",
        "--warmup=0",
        "--timeout=300ms",
        "--quiet",
    ])
    .finish(PATIENCE);
    assert_eq!(finished.requests("ok"), 40);
    assert_eq!(
        finished.requests("timeout") + finished.requests("in_flight"),
        server.committed()
    );
    let p99 = &finished.report()["summary"]["latency"]["response"]["p99_ns"];
    assert!(p99.as_u64() >= Some(290_000_000), "lower bounds count: {p99}");
}
