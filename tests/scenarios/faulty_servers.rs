//! `echo-bench` against servers that hang, go away, or never come to an end: each run ends in its
//! time, in bounded memory, and says what it saw.

use std::io::{self, Read, Write};
use std::time::Duration;

use echo_net::process_tree::descendants;
use echo_test_support::bench_process::{BenchProcess, Finished, each_engine};
use echo_test_support::deadline::{PATIENCE, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::scripted_server::ScriptedServer;

/// Time beside window and timeout that a run may take: 2 s, and as long again for a busy machine,
/// on which a debug build starts slowly.
const OVERHEAD: Duration = Duration::from_secs(4);

/// How often a kind of failure was counted.
fn count(finished: &Finished, kind: &str) -> u64 {
    let errors = finished.report()["errors"].as_array().expect("by the schema");
    let of_kind = errors.iter().filter(|error| error["kind"] == kind);
    of_kind.map(|error| error["count"].as_u64().expect("by the schema")).sum()
}

fn has_warning(finished: &Finished, code: &str) -> bool {
    let warnings = finished.report()["warnings"].as_array().expect("by the schema");
    warnings.iter().any(|warning| warning["code"] == code)
}

/// The most memory that the generator has held, in MiB.
fn peak_mib(finished: &Finished) -> u64 {
    let peak = &finished.report()["summary"]["cpu"]["client_peak_rss_bytes"];
    peak.as_u64().expect("this machine tells") >> 20
}

#[test]
fn an_embedded_server_that_hangs_adds_no_time_to_the_run() {
    let mut run = BenchProcess::start(&[
        "--conns=4",
        "--duration=2s",
        "--warmup=100ms",
        "--timeout=500ms",
    ]);
    run.wait_until_measuring();
    for server in descendants(run.pid().as_raw_nonzero().get().unsigned_abs()) {
        let server = Pid::from_raw(server.cast_signed()).expect("a child has an id");
        kill_process(server, Signal::STOP).expect("it runs");
    }
    let finished = run.finish(PATIENCE);
    let most = Duration::from_millis(100 + 2000 + 500) + OVERHEAD;
    assert!(finished.took < most, "{finished:#?}");
    assert!(finished.requests("timeout") + finished.requests("in_flight") >= 4);
    assert!(
        has_warning(&finished, "server-not-stopped"),
        "{:#}",
        finished.report()["warnings"]
    );
    assert_ne!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn a_server_that_accepts_and_goes_away_is_counted_and_not_flooded() {
    each_engine(|engine| {
        for way in [&[][..], &["--rate=200"], &["--pool=2"], &["--protocol=http"]] {
            let server = ScriptedServer::start(|_| Ok(()));
            let address = server.address().to_string();
            let run = [&address, engine, "--conns=4", "--duration=1s", "--warmup=0"];
            let run = [&run[..], &["--timeout=500ms"], way].concat();
            let finished = BenchProcess::start(&run).finish(PATIENCE);
            assert_eq!(finished.code, Some(4), "{way:?}: {finished:#?}");
            let most = Duration::from_millis(1500) + OVERHEAD;
            assert!(finished.took < most, "{way:?}: {finished:#?}");
            assert_eq!(finished.requests("ok"), 0, "{way:?}: {finished:#?}");
            let lost = ["closed", "reset"].map(|kind| finished.requests(kind));
            assert!(lost.iter().sum::<u64>() > 0, "{way:?}: {finished:#?}");
            // Four connections with pauses of 10 ms, 20 ms, 40 ms and so on, in 1.5 s at most.
            if way.first() != Some(&"--pool=2") {
                assert!(server.accepted() < 60, "{way:?}: {} connections", server.accepted());
            }
        }
    });
}

#[test]
fn requests_that_are_never_answered_do_not_pile_up() {
    each_engine(|engine| {
        let server =
            ScriptedServer::start(|stream| io::copy(&mut &*stream, &mut io::sink()).map(drop));
        let address = server.address().to_string();
        let finished = BenchProcess::start(&[
            &address,
            engine,
            "--conns=2",
            "--pipeline=10000",
            "--duration=2s",
            "--warmup=0",
            "--timeout=10ms",
        ])
        .finish(PATIENCE);
        assert_eq!(finished.code, Some(4), "{finished:#?}");
        assert!(finished.took < Duration::from_secs(2) + OVERHEAD, "{finished:#?}");
        assert!(count(&finished, "unresponsive") > 0, "{:#}", finished.report()["errors"]);
        assert!(peak_mib(&finished) < 100, "{} MiB", peak_mib(&finished));
    });
}

#[test]
fn a_reply_that_never_ends_is_an_error_of_its_server() {
    let one_byte = format!("1;{}\r\nx\r\n", "e".repeat(240)).repeat(100);
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100);
    let endless = |head: &'static str, piece: String| {
        ScriptedServer::start(move |stream| {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096])?;
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        })
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (protocol, server, kind) in [
        ("http", endless(chunked, one_byte), "malformed"),
        ("http", endless("", interim), "too_long"),
        ("http", endless("HTTP/1.1 200 OK\r\n", "a: b\r\n".repeat(100)), "too_long"),
        ("line", endless("ECHO: ", "x".repeat(1000)), "too_long"),
        ("resp", endless("$", "1".repeat(1000)), "too_long"),
    ] {
        let address = server.address().to_string();
        let finished = BenchProcess::start(&[
            &address,
            "--protocol",
            protocol,
            "--conns=2",
            "--requests=4",
            "--warmup=0",
            "--timeout=2s",
        ])
        .finish(PATIENCE);
        assert_eq!(finished.code, Some(4), "{protocol}: {finished:#?}");
        let errors = &finished.report()["errors"];
        assert!(count(&finished, kind) > 0, "{protocol} {kind}: {errors:#}");
        assert!(peak_mib(&finished) < 100, "{protocol}: {} MiB", peak_mib(&finished));
    }
}

#[test]
fn a_server_that_babbles_is_counted_and_the_run_ends_on_time() {
    let server = ScriptedServer::start(|mut stream| {
        loop {
            stream.write_all(&b"hello\n".repeat(100))?;
        }
    });
    let address = server.address().to_string();
    let run = [&address, "--conns=2", "--duration=1s", "--warmup=0", "--timeout=500ms"];
    let finished = BenchProcess::start(&run).finish(PATIENCE);
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert!(finished.took < Duration::from_millis(1500) + OVERHEAD, "{finished:#?}");
    assert!(count(&finished, "unsolicited") > 1000, "{:#}", finished.report()["errors"]);
    assert!(peak_mib(&finished) < 100, "{} MiB", peak_mib(&finished));
}

#[test]
fn an_interruption_while_connecting_leaves_a_report() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = ScriptedServer::of_lines(|line| format!("ECHO: {line}\n"));
        let address = server.address().to_string();
        let run = BenchProcess::start(&[&address, "--conns=1000", "--connect-rate=20"]);
        wait_until("it connects", || server.accepted() > 2);
        run.signal(signal);
        let finished = run.finish(PATIENCE);
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        let report = finished.report();
        assert_eq!(report["interrupted"], true, "{report:#}");
        assert_eq!(finished.requests("scheduled"), 0, "{report:#}");
        let summary = &report["summary"];
        assert_eq!(summary["latency"]["response"], Value::Null, "{summary:#}");
        let established = summary["connections"]["established"].as_u64();
        assert!((Some(2)..Some(1000)).contains(&established), "{summary:#}");
        assert!(finished.stdout.contains("interrupted"), "{}", finished.stdout);
    }
}
