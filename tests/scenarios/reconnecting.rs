//! `echo-bench --reconnect-after`: reconnecting after every N requests loses no request and
//! causes no server errors.

use echo_test_support::bench_process::{BenchProcess, each_engine};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::on_every_model;
use rustix::process::Signal;

const SUMMARY_IN_JSON: [&str; 2] = ["--log-format", "json"];

#[test]
fn no_connection_has_more_requests_and_the_server_sees_each_end_in_order() {
    each_engine(|engine| {
        for tls in [&[][..], &["--tls-self-signed"]] {
            let flags = [&SUMMARY_IN_JSON[..], tls].concat();
            on_every_model(&flags, |server| {
                let address = server.address().to_string();
                let run = [&address, "--conns=10", "--requests=1000", "--warmup=0", engine];
                let secured = ["--tls", "--insecure"];
                let tls = if tls.is_empty() { &[][..] } else { &secured };
                let mut made = 0;
                for load in ["--pipeline=1", "--pipeline=16", "--rate=20k"] {
                    let flags = [&run[..], tls, &["--reconnect-after=7", load]].concat();
                    let finished = BenchProcess::start(&flags).finish(PATIENCE);
                    assert_eq!(finished.code, Some(0), "{load}: {finished:#?}");
                    assert_eq!(finished.requests("ok"), 1000, "{load}");
                    let summary = &finished.report()["summary"];
                    assert_eq!(finished.report()["errors"], serde_json::json!([]), "{load}");
                    let again = summary["connections"]["reconnects"].as_u64();
                    let again = again.expect("by the schema");
                    // 143 connections for 1000 requests; each of the ten may have started
                    // another one.
                    assert!((133..=153).contains(&again), "{load}: {again}");
                    let clock = if tls.is_empty() { "connect" } else { "tls" };
                    assert_eq!(summary["set_up"][clock]["count"], 10, "{load}");
                    assert_eq!(summary["latency"][clock]["count"], again, "{load}");
                    made += 10 + again;
                }
                server.signal(Signal::TERM);
                let exit = server.wait_exit(PATIENCE);
                let summary = exit.summary();
                assert_eq!(summary["messages"], 3000);
                // Each of ten may be in progress when the run ends, and in its handshake.
                let count = |name: &str| summary[name].as_u64().expect("by the schema");
                let seen = count("connections");
                assert!((made..=made + 30).contains(&seen), "{made} made, {seen} seen");
                assert!(count("errors") <= seen - made, "{made} made: {summary}");
                assert_eq!(summary["tls"]["truncated"].as_u64().unwrap_or(0), 0, "{summary}");
            });
        }
    });
}

/// Handshakes count in both directions, and so do TLS control records.
#[test]
fn bytes_on_the_wire_are_those_that_the_server_counts() {
    on_every_model(&[&SUMMARY_IN_JSON[..], &["--tls-self-signed"]].concat(), |server| {
        let address = server.address().to_string();
        let run = [&address, "-c1", "--tls", "--insecure", "--requests=200", "--warmup=0"];
        let run = [&run[..], &["--reconnect-after=1"]].concat();
        let finished = BenchProcess::start(&run).finish(PATIENCE);
        server.signal(Signal::TERM);
        let seen = server.wait_exit(PATIENCE).summary();
        let bytes = &finished.report()["summary"]["bytes"];
        // The first handshake is before the window, and the server sends close_notify to peers
        // that have closed already.
        for (ours, theirs) in [("sent", "bytes_in"), ("received", "bytes_out")] {
            let count =
                |value: &serde_json::Value| value.as_u64().expect("by the schema") as f64;
            let share = count(&bytes[ours]) / count(&seen[theirs]);
            assert!((0.95..=1.0).contains(&share), "{ours}: {bytes} of {seen}");
        }
    });
}

#[test]
fn connections_are_begun_no_faster_than_they_may_be() {
    each_engine(|engine| {
        for load in [&["--threads=2"][..], &["--protocol=chat", "--rate=10"]] {
            let run = ["--conns=20", "--connect-rate=100", "-d100ms", "--warmup=0", engine];
            let finished = BenchProcess::start(&[&run[..], load].concat()).finish(PATIENCE);
            let connections = &finished.report()["summary"]["connections"];
            assert_eq!(connections["established"], 20, "{load:?}");
            let took = connections["connect_phase_ns"].as_u64().expect("by the schema");
            assert!(took >= 180_000_000, "{load:?}: {took} ns for 20 at 100 a second");
        }
    });
}

#[test]
fn more_connections_than_may_be_made_at_one_time_are_all_made_again() {
    let run = ["--conns=300", "--requests=3000", "--warmup=0", "--reconnect-after=1"];
    let finished = BenchProcess::start(&run).finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.requests("ok"), 3000);
    let again = &finished.report()["summary"]["connections"]["reconnects"];
    assert!(again.as_u64() >= Some(2700), "{again}");
    assert!(finished.stdout.contains("one request a connection"), "{}", finished.stdout);
}
