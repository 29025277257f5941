//! `echo-bench --pool`: requests over a connection pool, against real servers, in plaintext and
//! TLS.

use std::net::TcpListener;
use std::time::Duration;

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::on_every_model;
use rustix::process::Signal;

const SUMMARY_IN_JSON: [&str; 2] = ["--log-format", "json"];

#[test]
fn the_server_sees_as_many_connections_as_the_pool_says() {
    on_every_model(&SUMMARY_IN_JSON, |server| {
        let address = server.address().to_string();
        let mut made = 0;
        for (pool, connections) in [("0", 201), ("1", 1), ("4", 4), ("100", 8)] {
            let arguments =
                [&address, "--conns=8", "--requests=200", "--warmup=0", "--pool", pool];
            let finished = BenchProcess::start(&arguments).finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert_eq!(finished.requests("ok"), 200);
            let summary = &finished.report()["summary"];
            assert_eq!(summary["pool"]["created"], connections, "--pool {pool}: {summary}");
            made += connections;
        }
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.summary()["connections"], made);
        assert_eq!(exit.summary()["messages"], 800);
    });
}

#[test]
fn one_connection_shows_whether_there_is_a_server_however_many_threads_there_are() {
    let run = ["--pool=0", "--conns=4", "--threads=3", "--requests=50", "--warmup=0"];
    let finished = BenchProcess::start(&run).finish(PATIENCE);
    let connections = &finished.report()["summary"]["connections"];
    assert_eq!(connections["requested"], 1, "{connections}");
    assert_eq!(connections["established"], 1, "{connections}");
}

#[test]
fn connections_of_a_pool_end_in_order_inside_tls_too() {
    let flags = [&SUMMARY_IN_JSON[..], &["--tls-self-signed"]].concat();
    on_every_model(&flags, |server| {
        let address = server.address().to_string();
        for pool in ["--pool=0", "--pool=4"] {
            let run = [&address, "--tls", "--insecure", "--requests=200", "--warmup=0", pool];
            let finished = BenchProcess::start(&run).finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{finished:#?}");
        }
        server.signal(Signal::TERM);
        let summary = server.wait_exit(PATIENCE).summary();
        assert_eq!((&summary["errors"], &summary["messages"]), (&0.into(), &400.into()));
        assert_eq!(summary["tls"]["truncated"], 0, "{summary}");
    });
}

#[test]
fn a_pool_speaks_every_protocol_and_tls() {
    for protocol in ["line", "command", "frame", "mux", "raw", "resp", "http"] {
        for pool in ["--pool=0", "--pool=3"] {
            let finished = BenchProcess::start(&[
                "--tls",
                "--conns=6",
                "--requests=60",
                "--warmup=0",
                "--protocol",
                protocol,
                pool,
            ])
            .finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{protocol} {pool}: {finished:#?}");
            let summary = &finished.report()["summary"];
            let made = if pool == "--pool=0" { [1, 60] } else { [3, 0] };
            for clock in ["connect", "tls"] {
                let count = |part: &str| summary[part][clock]["count"].as_u64().unwrap_or(0);
                assert_eq!(["set_up", "latency"].map(count), made, "{protocol} {pool}");
            }
        }
    }
}

#[test]
fn a_pool_without_a_server_is_refused_and_a_signal_ends_it_with_a_report() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr());
    let nobody = nobody.expect("a port is free").to_string();
    for pool in ["--pool=0", "--pool=4"] {
        let finished = BenchProcess::start(&[&nobody, pool]).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.stderr.contains("is a server running there?"), "{}", finished.stderr);

        for load in ["--pipeline=1", "--rate=1k"] {
            let arguments = ["--duration=60s", "--warmup=0", "--interval=500ms", pool, load];
            let mut running = BenchProcess::start(&arguments);
            running.wait_until_measuring();
            running.signal(Signal::INT);
            let finished = running.finish(Duration::from_secs(10));
            assert_eq!(finished.report()["interrupted"], true, "{pool} {load}");
            assert_eq!(finished.code, Some(130), "{pool} {load}");
            assert!(finished.requests("ok") > 0, "{pool} {load}");
        }
    }
}

#[test]
fn a_pool_runs_on_several_threads_on_every_backend_and_waits_in_every_way() {
    for engine in ["--engine=epoll", "--engine=uring"] {
        for idle in ["--idle=sleep", "--idle=hybrid", "--idle=spin"] {
            let run = ["--tls", "--pool=4", "--threads=2", "--conns=12", "--rate=2k"];
            let rest = ["--requests=400", "--warmup=0", "--split-writes=2", engine, idle];
            let finished =
                BenchProcess::start(&[&run[..], &rest[..]].concat()).finish(PATIENCE);
            if finished.stderr.contains("io_uring") {
                eprintln!("skipped: io_uring is unavailable");
                continue;
            }
            assert_eq!(finished.code, Some(0), "{engine} {idle}: {finished:#?}");
            assert_eq!(finished.requests("ok"), 400, "{engine} {idle}");
            assert_eq!(finished.report()["summary"]["pool"]["created"], 4, "{engine} {idle}");
        }
    }
}

#[test]
fn connections_of_a_pool_are_replaced_after_their_number_of_requests() {
    let run = ["--pool=2", "--conns=4", "--requests=100", "--warmup=0", "--reconnect-after=10"];
    let finished = BenchProcess::start(&run).finish(PATIENCE);
    assert_eq!(finished.requests("ok"), 100, "{finished:#?}");
    let pool = &finished.report()["summary"]["pool"];
    let used = pool["discarded_used"].as_u64().expect("it is counted");
    assert!((8..=10).contains(&used), "{pool}");
}

#[test]
fn what_a_pool_cannot_do_is_refused_with_the_flag() {
    for flag in ["--pipeline=4", "--threads=3", "--streams=2"] {
        let mux = if flag.starts_with("--streams") { "--protocol=mux" } else { "--quiet" };
        let finished = BenchProcess::start(&["--pool=2", flag, mux]).finish(PATIENCE);
        assert_eq!(finished.code, Some(2), "{flag}: {finished:#?}");
        let name = flag.split('=').next().unwrap_or_default();
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}
