//! Callers that share a connection pool to a server with a known delay: the wait for a
//! connection counts in the response time, not in the service time.

use std::time::Duration;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::turn::turn;

use echo_bench::fault_server::{Fault, FaultServer};

const DELAY: Duration = Duration::from_millis(20);

fn run(server: &FaultServer, more: &[&str]) -> Finished {
    let address = server.address();
    let arguments = [&[address.as_str(), "--protocol=line", "--warmup=0", "--quiet"], more];
    BenchProcess::start(&arguments.concat()).finish(PATIENCE)
}

/// The median of a metric in units of the delay.
#[track_caller]
fn median(finished: &Finished, clock: &str) -> f64 {
    let median = &finished.report()["summary"]["latency"][clock]["p50_ns"];
    median.as_f64().unwrap_or_else(|| panic!("no {clock}: {finished:#?}"))
        / DELAY.as_nanos() as f64
}

fn pool(finished: &Finished, count: &str) -> u64 {
    let pool = &finished.report()["summary"]["pool"];
    pool[count].as_u64().unwrap_or_else(|| panic!("no {count} in {pool}"))
}

#[test]
fn callers_who_share_a_connection_wait_for_each_other_and_their_response_says_so() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Delay(DELAY)).expect("a free port");
    let shared = run(&server, &["--pool=1", "--conns=4", "--requests=80"]);
    assert_eq!(shared.code, Some(0), "{shared:#?}");
    let clocks = ["wait", "service", "response"].map(|clock| median(&shared, clock));
    let right = |clock: f64, delays: f64| (delays * 0.95..delays + 1.0).contains(&clock);
    assert!(
        right(clocks[0], 3.0) && right(clocks[1], 1.0) && right(clocks[2], 4.0),
        "{clocks:?}"
    );
    assert_eq!((pool(&shared, "created"), pool(&shared, "reused")), (1, 80));

    let own = run(&server, &["--pool=4", "--conns=4", "--requests=80"]);
    let clocks = ["wait", "service", "response"].map(|clock| median(&own, clock));
    assert!(clocks[0] < 0.5 && right(clocks[1], 1.0) && right(clocks[2], 1.0), "{clocks:?}");
    assert_eq!(pool(&own, "created"), 4);
}

/// Four times the capacity of one connection is requested.
#[test]
fn a_pool_that_is_too_small_for_the_rate_queues_and_the_schedule_goes_on() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Delay(DELAY)).expect("a free port");
    let flags = ["--pool=1", "--conns=20", "--rate=200", "--duration=1s", "--drain=10s"];
    let finished = run(&server, &flags);
    assert_eq!(finished.requests("scheduled"), 200);
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    // The last of 200 requests of 20 ms each, which were due within 1 s.
    let longest = &finished.report()["summary"]["latency"]["response"]["max_ns"];
    let longest = longest.as_u64().expect("it was measured") / 1_000_000;
    assert!((2700..=4500).contains(&longest), "{longest} ms");
    assert!(median(&finished, "service") < 2.0);
}

#[test]
fn requests_whose_caller_never_got_a_connection_are_unsent_and_count() {
    let _turn = turn();
    let server =
        FaultServer::start(Fault::Delay(Duration::from_millis(300))).expect("a free port");
    let flags = ["--pool=1", "--conns=8", "--requests=24", "--timeout=400ms"];
    let finished = run(&server, &flags);
    assert_eq!(finished.requests("scheduled"), 24);
    assert!(finished.requests("unsent") > 0, "{finished:#?}");
    assert_eq!(finished.requests("ok") + finished.requests("unsent"), 24);
    assert_eq!(pool(&finished, "wait_timeouts"), finished.requests("unsent"));
    assert_eq!(finished.code, Some(1));
}

#[test]
fn a_new_connection_for_each_request_is_made_for_each() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Delay(Duration::ZERO)).expect("a free port");
    let finished = run(&server, &["--pool=0", "--conns=3", "--requests=60"]);
    assert_eq!(finished.requests("ok"), 60, "{finished:#?}");
    // One more, to detect a server.
    assert_eq!((pool(&finished, "created"), pool(&finished, "reused")), (61, 0));
    let summary = &finished.report()["summary"];
    assert_eq!(summary["set_up"]["connect"]["count"], 1);
    assert_eq!(summary["latency"]["connect"]["count"], 60);
    assert_eq!(pool(&finished, "discarded_used"), 60);
}

#[test]
fn wrong_replies_are_found_through_a_pool_and_counted_once() {
    let _turn = turn();
    let server =
        FaultServer::start(Fault::Corrupt { every: 10, offset: 30 }).expect("a free port");
    let finished = run(&server, &["--pool=2", "--conns=6", "--requests=400"]);
    assert!(server.committed() > 0);
    assert_eq!(finished.requests("mismatch"), server.committed(), "{finished:#?}");
    assert_eq!(finished.requests("ok"), 400 - server.committed());
    let error = &finished.report()["errors"][0];
    assert_eq!(
        (&error["kind"], &error["count"]),
        (&"corrupt".into(), &server.committed().into())
    );
    assert_eq!(error["first"]["offset"], 30);
}

#[test]
fn a_connection_that_is_reset_costs_its_request_and_is_replaced() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Reset(10)).expect("a free port");
    let finished = run(&server, &["--pool=2", "--conns=2", "--requests=100"]);
    assert!(server.committed() > 0);
    assert_eq!(finished.requests("reset"), server.committed(), "{finished:#?}");
    assert_eq!(finished.requests("ok"), 100 - server.committed());
    assert_eq!(pool(&finished, "discarded_broken"), server.committed());
    assert!(pool(&finished, "created") <= server.committed() + 2);
}
