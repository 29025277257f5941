//! Every fault is detected, classified and counted exactly, and its first offender is named, by
//! every engine.

use echo_test_support::bench_process::{BenchProcess, Finished, each_engine};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::turn::turn;
use serde_json::Value;

use echo_bench::fault_server::{Fault, FaultServer, Framing};

/// Each framing with the arguments for echo-bench.
const FRAMINGS: [(Framing, &str); 4] = [
    (Framing::Line, "--protocol=line"),
    (Framing::Frame, "--protocol=frame"),
    (Framing::Mux, "--protocol=mux"),
    (Framing::Raw(64), "--protocol=raw"),
];

/// Framings in which replies that are too long, too short or duplicated keep their boundaries.
fn framed() -> impl Iterator<Item = (Framing, &'static str)> {
    FRAMINGS.into_iter().filter(|(framing, _)| !matches!(framing, Framing::Raw(_)))
}

/// 400 requests over two connections, at most four in flight on each. Their due instants decide
/// that there are so many, and 200 on each connection, however busy the machine is.
fn run_against(engine: &str, server: &FaultServer, more: &[&str]) -> Finished {
    let address = server.address();
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let mut arguments = vec![address.as_str(), engine, "--threads=1", "--warmup=0", "--quiet"];
    arguments.extend(more);
    let is_given = |flag: &str| more.iter().any(|own| name(own) == name(flag));
    let length = ["--duration=100ms"].into_iter().filter(|_| !is_given("--requests"));
    let usual = ["--conns=2", "--pipeline=4", "--rate=4k", "--timeout=400ms"];
    // A flag may be given once: by the test, otherwise these defaults.
    arguments.extend(usual.into_iter().chain(length).filter(|flag| !is_given(flag)));
    BenchProcess::start(&arguments).finish(PATIENCE)
}

/// A server with faults on its second connection only.
fn erring(framing: Framing, fault: Fault) -> FaultServer {
    FaultServer::start_with(framing, fault, |connection| connection == 1).expect("a free port")
}

fn error<'a>(finished: &'a Finished, kind: &str) -> Option<&'a Value> {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    errors.iter().find(|error| error["kind"] == kind)
}

#[track_caller]
fn count(finished: &Finished, kind: &str) -> u64 {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    let of_kind = errors.iter().filter(|error| error["kind"] == kind);
    of_kind.map(|error| error["count"].as_u64().expect("by the schema")).sum()
}

/// The kinds of all errors, for a test that expects just one.
fn kinds(finished: &Finished) -> Vec<&str> {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    let mut kinds: Vec<_> = errors.iter().filter_map(|error| error["kind"].as_str()).collect();
    // One entry for each phase.
    kinds.dedup();
    kinds
}

/// The first offender of a kind is this request of the second connection.
#[track_caller]
fn first_offender<'a>(finished: &'a Finished, kind: &str, request: u64) -> &'a Value {
    let Some(error) = error(finished, kind) else { panic!("no {kind}: {finished:#?}") };
    let first = &error["first"];
    assert_eq!(first["connection"], 1, "{kind}: {first}");
    assert_eq!(first["request"], request, "{kind}: {first}");
    first
}

/// Every fault was counted once as `kind` only, and cost one request.
#[track_caller]
fn assert_only(finished: &Finished, kind: &str, server: &FaultServer) {
    assert!(server.committed() > 0, "{finished:#?}");
    assert_eq!(kinds(finished), [kind], "{finished:#?}");
    assert_eq!(count(finished, kind), server.committed());
    assert_eq!(finished.requests("mismatch"), server.committed());
    assert_eq!(finished.requests("ok"), 400 - server.committed());
    assert_eq!(finished.code, Some(1));
}

#[test]
fn a_wrong_byte_is_corrupt_and_shown() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in FRAMINGS {
            let server = erring(framing, Fault::Corrupt { every: 10, offset: 30 });
            let finished = run_against(engine, &server, &[protocol]);
            assert_only(&finished, "corrupt", &server);
            let first = first_offender(&finished, "corrupt", 9);
            assert_eq!(first["offset"], 30, "{protocol}");
            let (expected, got) = (first["expected"].as_str(), first["got"].as_str());
            assert!(got.is_some_and(|got| got.starts_with('?')), "{first}");
            assert_eq!(got.map(|got| &got[1..]), expected.map(|expected| &expected[1..]));
        }
    });
}

#[test]
fn a_reply_cut_short_is_truncated() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in framed() {
            let server = erring(framing, Fault::Truncate { every: 7, length: 20 });
            let finished = run_against(engine, &server, &[protocol]);
            assert_only(&finished, "truncated", &server);
            let first = first_offender(&finished, "truncated", 6);
            assert_eq!(
                (&first["offset"], &first["got"]),
                (&20.into(), &"".into()),
                "{protocol}"
            );
            let expected = first["expected"].as_str();
            assert!(expected.is_some_and(|expected| expected.len() == 32), "{first}");
        }
    });
}

/// Without framing every byte after a lost one is misplaced.
#[test]
fn where_bytes_have_no_framing_nothing_is_right_after_a_lost_one() {
    let _turn = turn();
    each_engine(|engine| {
        let fault = Fault::Truncate { every: 100, length: 54 };
        let server =
            FaultServer::start_with(Framing::Raw(64), fault, |_| true).expect("a free port");
        let finished =
            run_against(engine, &server, &["--protocol=raw", "--conns=1", "--requests=150"]);
        assert_eq!(finished.requests("ok"), 99, "{finished:#?}");
        let lost = finished.requests("timeout") + finished.requests("in_flight");
        assert_eq!(finished.requests("mismatch") + lost, 51);
        assert!(lost >= 1, "the last reply never gets whole");
    });
}

#[test]
fn a_second_reply_is_duplicated_and_takes_no_other_request_with_it() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in framed() {
            let server = erring(framing, Fault::Duplicate(10));
            let finished = run_against(engine, &server, &[protocol]);
            assert_eq!(kinds(&finished), ["duplicated"], "{protocol}: {finished:#?}");
            assert_eq!(count(&finished, "duplicated"), server.committed(), "{protocol}");
            assert_eq!(finished.requests("ok"), 400, "{protocol}");
            let first = first_offender(&finished, "duplicated", 9);
            assert_ne!(first["expected"], first["got"], "{protocol}: {first}");
            assert_ne!(finished.report()["verdict"], "valid", "a stray reply qualifies a run");
        }
    });
}

#[test]
fn a_reply_that_never_comes_is_dropped_or_timed_out() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in FRAMINGS {
            let server = erring(framing, Fault::Drop(10));
            let finished = run_against(engine, &server, &[protocol]);
            let (dropped, timeout) = (count(&finished, "dropped"), count(&finished, "timeout"));
            assert_eq!(dropped + timeout, server.committed(), "{protocol}");
            // Only the very last one has no successor that would reveal it.
            assert!(timeout <= 1, "{protocol}: {finished:#?}");
            assert_eq!(finished.requests("mismatch"), dropped, "{protocol}");
            assert_eq!(finished.requests("ok"), 400 - server.committed(), "{protocol}");
            let first = first_offender(&finished, "dropped", 9);
            assert_ne!(first["expected"], first["got"], "{protocol}: {first}");
            let censored = &finished.report()["summary"]["latency"]["response"]["censored"];
            assert_eq!(censored.as_u64(), Some(server.committed()), "{protocol}: one vanished");
        }
    });
}

#[test]
fn a_reply_that_is_overtaken_is_counted_once_as_reordered() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in framed() {
            let server = erring(framing, Fault::Reorder(10));
            // So that the last message of a connection is not a delayed one.
            let plan = [protocol, "--rate=4k", "--requests=398", "--pipeline=64"];
            let finished = run_against(engine, &server, &plan);
            assert_eq!(kinds(&finished), ["reordered"], "{protocol}: {finished:#?}");
            assert_eq!(count(&finished, "reordered"), server.committed(), "{protocol}");
            assert_eq!(finished.requests("ok"), 398 - server.committed(), "{protocol}");
            first_offender(&finished, "reordered", 9);
        }
    });
}

/// A multiplexed protocol guarantees order within a stream only.
#[test]
fn streams_may_overtake_each_other() {
    let _turn = turn();
    each_engine(|engine| {
        let server = erring(Framing::Mux, Fault::Reorder(3));
        // With an odd number of requests on each no reply is held at the end.
        let plan = ["--protocol=mux", "--streams=4", "--duration=99500us", "--pipeline=400"];
        let finished = run_against(engine, &server, &plan);
        assert!(server.committed() > 50, "{finished:#?}");
        let none: [&str; 0] = [];
        assert_eq!(kinds(&finished), none, "{finished:#?}");
        assert_eq!((finished.requests("ok"), finished.code), (398, Some(0)));
    });
}

#[test]
fn the_reply_of_another_connection_is_foreign() {
    let _turn = turn();
    each_engine(|engine| {
        for (framing, protocol) in FRAMINGS {
            let server = FaultServer::start_with(framing, Fault::Swap(5), |_| true)
                .expect("a free port");
            // With a slot for every request every message has a counterpart in time.
            let finished = run_against(engine, &server, &[protocol, "--pipeline=400"]);
            assert_only(&finished, "foreign", &server);
            let first = &error(&finished, "foreign").expect("just counted")["first"];
            assert_eq!(first["request"], 4, "{protocol}: {first}");
            assert_ne!(first["expected"], first["got"], "{protocol}: {first}");
        }
    });
}

#[test]
fn chatter_is_unsolicited_and_takes_no_request_with_it() {
    let _turn = turn();
    each_engine(|engine| {
        let server = FaultServer::start(Fault::Babble(10)).expect("a free port");
        let finished = run_against(engine, &server, &[]);
        assert_eq!(kinds(&finished), ["unsolicited"]);
        assert_eq!(count(&finished, "unsolicited"), server.committed());
        assert_eq!(finished.requests("ok"), 400);
        // A busy machine may make it worse than qualified.
        assert_ne!(finished.report()["verdict"], "valid", "chatter is no valid run");
    });
}

#[test]
fn a_reset_loses_what_was_in_flight_and_the_connection_is_made_again() {
    let _turn = turn();
    each_engine(|engine| {
        let server = FaultServer::start(Fault::Reset(50)).expect("a free port");
        let finished = run_against(engine, &server, &["--requests=400"]);
        // A reset is reported by the kernel; a reset with nothing in flight would lose nothing.
        assert_eq!(count(&finished, "reset"), server.committed());
        assert!(finished.requests("reset") >= server.committed());
        let reconnects = &finished.report()["summary"]["connections"]["reconnects"];
        assert!(reconnects.as_u64() >= Some(server.committed() - 2), "{reconnects}");
        assert_eq!(finished.requests("ok") + finished.requests("reset"), 400);
    });
}

#[test]
fn a_server_that_falls_silent_is_no_fast_server() {
    let _turn = turn();
    each_engine(|engine| {
        let server = FaultServer::start(Fault::Mute(20)).expect("a free port");
        let address = server.address();
        let finished = BenchProcess::start(&[
            &address,
            engine,
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
    });
}
