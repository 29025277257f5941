//! `echo-bench` against working servers, and against servers with failures that a load
//! generator must not hide.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::Duration;

use echo_test_support::bench_process::{BenchProcess, committed_schema, each_engine};
use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{ignores_hangup, own_program, run};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn the_committed_schema_is_the_one_that_the_program_prints() {
    let printed = run(Command::new(own_program("echo-bench")).arg("schema"), b"", PATIENCE);
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("it is JSON");
    let committed: Value = serde_json::from_str(&committed_schema()).expect("it is JSON");
    assert!(
        printed == committed,
        "renew it: cargo run --bin echo-bench -- schema > reports/echo-bench.report.schema.json"
    );
}

#[test]
fn every_engine_measures_closed_and_open_loops() {
    each_engine(|engine| {
        for load in ["--pipeline=16", "--rate=2k"] {
            let finished = BenchProcess::start(&[
                "--conns=50",
                "--duration=500ms",
                "--warmup=100ms",
                "--model=epoll",
                load,
                engine,
            ])
            .finish(PATIENCE);
            let report = finished.report();
            assert_eq!(finished.code, Some(0), "{engine} {load}: {}", finished.stderr);
            let reported = report["plan"]["engine"].as_str();
            assert_eq!(reported, engine.strip_prefix("--engine="));
            assert!(finished.requests("ok") >= 500, "{engine} {load}");
        }
    });
}

#[test]
fn a_run_against_each_embedded_model_has_no_error() {
    each_model(|model| {
        let model = model.to_string();
        let finished = BenchProcess::start(&[
            "--conns=50",
            "--pipeline=4",
            "--duration=500ms",
            "--warmup=100ms",
            "--model",
            &model,
        ])
        .finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(finished.requests("scheduled"), finished.requests("ok"));
        let summary = &finished.report()["summary"];
        assert_eq!(summary["connections"]["established"], 50);
        assert_eq!(summary["set_up"]["connect"]["count"], 50);
        assert_eq!(summary["latency"]["response"]["count"], finished.requests("ok"));
        for measured in ["client_us_per_message", "server_us_per_message"] {
            assert!(summary["cpu"][measured].as_f64() > Some(0.0), "{measured}: {summary}");
        }
        assert_eq!(finished.report()["interrupted"], false);
        for shown in ["requests/s", "p50", "p99", "max", "connect"] {
            assert!(finished.stdout.contains(shown), "{shown} in {}", finished.stdout);
        }
    });
}

/// Two programs count the same thing independently.
#[test]
fn the_counts_of_generator_and_server_agree() {
    on_every_model(&["--log-format", "json"], |server| {
        let target = server.address().to_string();
        let run = BenchProcess::start(&[
            "--conns=7",
            "--requests=5000",
            "--warmup=0s",
            "--size=100",
            &target,
        ]);
        let finished = run.finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(finished.requests("ok"), 5000);
        // Found by its port, also where several processes serve it.
        assert_eq!(finished.report()["server"]["pid"], server.pid());
        let cpu = &finished.report()["summary"]["cpu"];
        assert!(cpu["server_us_per_message"].as_f64() > Some(0.0), "{cpu}");
        server.signal(Signal::TERM);
        let summary = server.wait_exit(PATIENCE).summary();
        let bytes = &finished.report()["summary"]["bytes"];
        assert_eq!(summary["messages"], 5000);
        assert_eq!(summary["connections"], 7);
        assert_eq!(summary["bytes_in"], bytes["sent"]);
        assert_eq!(summary["bytes_out"], bytes["received"]);
        assert_eq!(bytes["sent"], 5000 * 101);
    });
}

#[test]
fn every_protocol_and_message_can_be_driven() {
    for arguments in [
        &["--protocol=raw", "--size=1"][..],
        &["--protocol=raw", "--size=100K", "--server-read-buffer=1000"],
        &["--protocol=frame", "--size=0-2000"],
        &["--protocol=line", "--message=Grüße an alle"],
        &["--protocol=line", "--size=1-500", "--split-writes=3", "--verify=length"],
        &["--server-write-mode=split", "--pipeline=16", "--verify=off"],
    ] {
        let common = ["--conns=4", "--requests=400", "--warmup=0s"];
        let finished = BenchProcess::start(&[&common, arguments].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
        assert_eq!(finished.requests("ok"), 400, "{arguments:?}");
    }
}

#[test]
fn a_target_that_refuses_is_told_once_and_at_once() {
    // Bound for a moment, so that nothing listens there now.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = address.expect("a port is free").to_string();
    let finished =
        BenchProcess::start(&["--target", &address, "--duration=5s"]).finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.took < Duration::from_secs(2), "{finished:#?}");
    assert_eq!(finished.stderr.matches("refused").count(), 1, "{finished:#?}");
    assert!(finished.stderr.contains(&address), "{finished:#?}");
    assert!(!finished.has_report(), "{finished:#?}");
}

fn target_of(server: &RunningServer) -> String {
    format!("--target={}", server.address())
}

#[test]
fn a_server_killed_halfway_is_counted_and_the_run_ends_on_time() {
    on_every_model(&[], |server| {
        let target = target_of(server);
        let mut run =
            BenchProcess::start(&["--conns=20", "--duration=2s", "--warmup=200ms", &target]);
        run.wait_until_measuring();
        server.signal(Signal::KILL);
        let finished = run.finish(PATIENCE);
        assert!(!matches!(finished.code, Some(0) | None), "{finished:#?}");
        assert!(finished.took < Duration::from_secs(5), "{finished:#?}");
        let lost = ["reset", "closed", "refused"].map(|kind| finished.requests(kind));
        assert!(lost.iter().sum::<u64>() >= 20, "each connection lost one: {finished:#?}");
        assert!(finished.requests("ok") > 0);
        server.wait_exit(PATIENCE);
    });
}

#[test]
fn a_server_that_stalls_halfway_is_counted_and_the_run_ends_on_time() {
    on_every_model(&[], |server| {
        let target = target_of(server);
        let mut run = BenchProcess::start(&[
            "--conns=20",
            "--duration=2s",
            "--warmup=200ms",
            "--timeout=1s",
            &target,
        ]);
        run.wait_until_measuring();
        server.signal(Signal::STOP);
        let finished = run.finish(PATIENCE);
        server.signal(Signal::CONT);
        let most = Duration::from_millis(200 + 2000 + 1000 + 2000);
        assert!(finished.took < most, "{finished:#?}");
        assert_ne!(finished.code, Some(0), "{finished:#?}");
        let unanswered = finished.requests("timeout") + finished.requests("in_flight");
        assert!(unanswered >= 20, "each connection waits in vain: {finished:#?}");
        let response = &finished.report()["summary"]["latency"]["response"];
        assert!(response["censored"].as_u64() >= Some(20), "a lower bound each: {response}");
        assert!(response["max_ns"].as_u64() >= Some(500_000_000), "it shows: {response}");
        let intervals = finished.report()["intervals"].as_array().expect("by the schema");
        let ok = |interval: Option<&Value>| interval.and_then(|one| one["ok"].as_u64());
        let (first, last) = (ok(intervals.first()), ok(intervals.last()));
        assert!(intervals.len() > 1 && first > Some(0), "{intervals:#?}");
        assert!(last == Some(0) || last < first, "when it stalled shows: {intervals:#?}");
    });
}

/// Accepts every connection and passes it to `serve`, as long as the test process lives.
fn fake_server(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("bound");
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = std::sync::Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn of_a_mute_server_no_latency_is_claimed() {
    let address = fake_server(|mut stream| {
        // Reads everything, sends nothing.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let target = format!("--target={address}");
    let finished = BenchProcess::start(&[
        "--conns=5",
        "--duration=500ms",
        "--warmup=100ms",
        "--timeout=500ms",
        &target,
    ])
    .finish(PATIENCE);
    assert_eq!(finished.code, Some(4), "nothing was measured: {finished:#?}");
    assert_eq!(finished.requests("ok"), 0);
    assert!(finished.requests("timeout") + finished.requests("in_flight") >= 5);
    let report = finished.report();
    assert_eq!(report["verdict"], "invalid");
    for latency in ["response", "service"] {
        let claimed = &report["summary"]["latency"][latency];
        for figure in ["p50_ns", "p99_ns", "max_ns", "mean_ns"] {
            assert!(claimed[figure].is_null(), "{latency} {figure}: {claimed}");
        }
    }
    assert_eq!(report["summary"]["achieved_per_s"].as_f64(), Some(0.0));
}

/// Replies during the drain count in the last interval that has a duration.
#[test]
fn the_time_series_has_no_piece_without_length_and_adds_up() {
    let address = fake_server(|mut stream| {
        let mut input = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut input) {
            thread::sleep(Duration::from_millis(30));
            let reply = [b"ECHO: ", &input[..length]].concat();
            if stream.write_all(&reply).is_err() {
                break;
            }
        }
    });
    let target = format!("--target={address}");
    for window in [
        // The intervals are not a whole number of nanoseconds.
        &["--duration=2s", "--interval=100ms"][..],
        &["--duration=500100us", "--interval=100ms"],
        &["--requests=50", "--interval=10ms"],
    ] {
        let flags = ["--conns=3", "--warmup=0", &target];
        let finished = BenchProcess::start(&[&flags[..], window].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{window:?}: {finished:#?}");
        let intervals = finished.report()["intervals"].as_array().expect("by the schema");
        let mut ok = 0;
        for interval in intervals {
            let length_s = interval["length_s"].as_f64().expect("by the schema");
            assert!(length_s > 0.0, "{window:?}: {interval}");
            ok += interval["ok"].as_u64().expect("by the schema");
        }
        assert_eq!(ok, finished.requests("ok"), "{window:?}");
        let last_s = intervals.last().expect("some")["length_s"].as_f64();
        assert!(last_s > Some(0.0001), "a sliver is no point: {last_s:?}");
    }
}

#[test]
fn replies_that_are_no_echo_are_mismatches() {
    let address = fake_server(|mut stream| {
        let mut input = [0; 4096];
        while let Ok(1..) = stream.read(&mut input) {
            if stream.write_all(b"ECHO: something else\n").is_err() {
                break;
            }
        }
    });
    let target = format!("--target={address}");
    let run = BenchProcess::start(&["--conns=3", "--requests=300", "--warmup=0s", &target]);
    let finished = run.finish(PATIENCE);
    assert!(!matches!(finished.code, Some(0) | None), "{finished:#?}");
    assert_eq!(finished.requests("ok"), 0, "{finished:#?}");
    assert!(finished.requests("mismatch") >= 3, "{finished:#?}");
}

#[test]
fn an_interrupted_run_leaves_a_report_that_says_so() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        if signal == Signal::HUP && ignores_hangup() {
            continue;
        }
        let mut run = BenchProcess::start(&["--conns=10", "--duration=60s", "--warmup=200ms"]);
        run.wait_until_measuring();
        // These would end it without a report.
        run.signal(Signal::USR1);
        run.signal(Signal::USR2);
        run.signal(signal);
        let finished = run.finish(Duration::from_secs(10));
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        let report = finished.report();
        assert_eq!(report["interrupted"], true);
        assert!(finished.requests("ok") > 0, "what was measured is kept");
        let measured_s = report["summary"]["measured_s"].as_f64().expect("a number");
        assert!((0.5..10.0).contains(&measured_s), "{measured_s} s were measured");
    }
}

#[test]
fn a_run_under_nohup_goes_on_when_its_terminal_is_gone() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(own_program("echo-bench"));
    let mut run = BenchProcess::start_as(&mut command, &["--conns=10", "--duration=1s"]);
    run.wait_until_measuring();
    run.signal(Signal::HUP);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.report()["interrupted"], false);
}

#[test]
fn the_embedded_server_never_outlives_the_generator() {
    let mut run = BenchProcess::start(&["--conns=10", "--duration=60s", "--warmup=200ms"]);
    run.wait_until_measuring();
    let pid = run.pid().as_raw_nonzero();
    let server = wait_for("the server is a process of its own", || child_of(pid.get()));
    run.signal(Signal::KILL);
    drop(run);
    wait_until("the server is gone", || {
        // The reaper of orphans may be slow; a zombie counts as ended.
        std::fs::read_to_string(format!("/proc/{server}/stat")).map_or(true, |stat| {
            stat.rsplit_once(") ").is_some_and(|(_, s)| s.starts_with('Z'))
        })
    });
}

/// The pid of a process whose parent is `parent`.
fn child_of(parent: i32) -> Option<i32> {
    let processes = std::fs::read_dir("/proc").expect("Linux has it");
    processes.filter_map(Result::ok).find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(") ")?;
        let its_parent: i32 = after_name.split(' ').nth(1)?.parse().ok()?;
        (its_parent == parent).then_some(pid)
    })
}

#[test]
fn too_few_descriptors_are_told_before_a_connection_is_made() {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 100 && exec \"$@\"", "bash"]).arg(own_program("echo-bench"));
    let run = BenchProcess::start_as(&mut command, &["--conns=500", "--duration=5s"]);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.took < Duration::from_secs(3), "{finished:#?}");
    for named in ["100", "500", "ulimit"] {
        assert!(finished.stderr.contains(named), "{named} in {finished:#?}");
    }
    assert!(!finished.has_report(), "{finished:#?}");
}

#[test]
fn arguments_that_mean_nothing_are_named_and_the_code_is_2() {
    for (arguments, named) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&["--conns=0"], "conns"),
        (&["--duration=soon"], "duration"),
        (&["--model=fork"], "threads"),
        (&["--protocol=raw", "--size=0"], "at least one byte"),
    ] {
        let finished = BenchProcess::start(arguments).finish(PATIENCE);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        assert!(finished.stderr.contains(named), "{arguments:?}: {finished:#?}");
        assert!(!finished.has_report(), "{arguments:?}");
    }
}

/// `getrusage` includes what a process had used before it called exec.
#[test]
fn the_memory_of_who_started_the_run_is_not_the_generators() {
    let starter = std::hint::black_box(vec![1_u8; 300 << 20]);
    let finished =
        BenchProcess::start(&["--conns=2", "--requests=100", "--warmup=0"]).finish(PATIENCE);
    drop(starter);
    let cpu = &finished.report()["summary"]["cpu"];
    let peak = cpu["client_peak_rss_bytes"].as_u64().expect("this process can be read");
    assert!((1 << 20..200 << 20).contains(&peak), "{} MiB", peak >> 20);
}
