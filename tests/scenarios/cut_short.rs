//! Runs that end early: interrupted by signals, or without replies. The report says so, in
//! every workload.

use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use echo_server::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::{RunningServer, on_every_model};
use rustix::process::Signal;

use echo_test_support::program::own_program;

use crate::scripted_server::ScriptedServer;

/// The workloads: requests, pool, chat.
const WORKLOADS: [&[&str]; 4] = [
    &["--rate=500", "--conns=4"],
    &["--conns=4", "--threads=2"],
    &["--pool=2", "--conns=4"],
    &["--protocol=chat", "--rate=50", "--conns=4"],
];

/// Two different signals: the kernel would merge two equal ones.
fn cut_by_two_signals(flags: &[&str], pause: Duration) {
    let run = ["--duration=60s", "--warmup=0"];
    let mut run = BenchProcess::start(&[&run[..], flags].concat());
    run.wait_until_measuring();
    run.signal(Signal::INT);
    // Not a wait for a condition: the timing of the second signal is under test.
    thread::sleep(pause);
    run.signal(Signal::TERM);
    let finished = run.finish(PATIENCE);
    assert!(matches!(finished.code, Some(130 | 143)), "{flags:?} {pause:?}: {finished:#?}");
    assert_eq!(finished.report()["interrupted"], true, "{flags:?} {pause:?}");
    assert!(finished.stdout.contains("interrupted"), "{}", finished.stdout);
}

#[test]
fn a_run_cut_by_two_signals_is_interrupted_in_every_workload() {
    let pauses = [500, 1000, 2000].map(Duration::from_micros);
    for flags in WORKLOADS {
        let chats = flags.contains(&"--protocol=chat");
        let protocol = ["--protocol", if chats { "chat" } else { "line" }];
        let server = RunningServer::start(ModelKind::Epoll, &protocol);
        let target = format!("--target={}", server.address());
        let target = [flags, &[target.as_str()]].concat();
        thread::scope(|scope| {
            let run = |flags, pause| scope.spawn(move || cut_by_two_signals(flags, pause));
            let _cut = pauses.map(|pause| run(flags, pause));
            run(&target, pauses[1]);
        });
    }
}

/// The warning with this code.
#[track_caller]
fn warning(finished: &Finished, code: &str) -> String {
    let warnings = finished.report()["warnings"].as_array().expect("by the schema");
    let warning = warnings.iter().find(|warning| warning["code"] == code);
    let warning = warning.unwrap_or_else(|| panic!("no {code}: {finished:#?}"));
    warning["message"].as_str().expect("by the schema").to_owned()
}

#[test]
fn a_server_that_dies_in_the_middle_makes_the_run_invalid() {
    let runs: [&[&str]; 4] = [
        &["--duration=2s", "--conns=4"],
        &["--duration=2s", "--conns=4", "--rate=500"],
        &["--duration=2s", "--conns=4", "--pool=2"],
        &["--requests=1000000", "--conns=4", "--rate=500"],
    ];
    for ending in [Signal::KILL, Signal::STOP] {
        for flags in runs {
            let server = RunningServer::start(ModelKind::Epoll, &[]);
            let target = format!("--target={}", server.address());
            let common = ["--warmup=0", "--timeout=500ms", &target];
            let mut run = BenchProcess::start(&[&common[..], flags].concat());
            run.wait_until_measuring();
            server.signal(ending);
            let finished = run.finish(PATIENCE);
            assert_eq!(finished.report()["verdict"], "invalid", "{flags:?}: {finished:#?}");
            let message = warning(&finished, "no-replies");
            assert!(message.starts_with("no replies for the last "), "{flags:?}: {message}");
            assert_ne!(finished.code, Some(0), "{flags:?}");
        }
    }
}

#[test]
fn connections_that_were_not_made_again_are_not_said_to_be() {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let target = format!("--target={}", server.address());
    let mut run = BenchProcess::start(&["--duration=2s", "--warmup=0", &target]);
    run.wait_until_measuring();
    server.signal(Signal::KILL);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.report()["summary"]["connections"]["reconnects"], 0);
    let shown = finished.stdout.to_lowercase();
    assert!(!shown.contains("again") && !shown.contains("reconnect"), "{shown}");
}

#[test]
fn a_number_of_requests_of_which_none_is_answered_leaves_a_report() {
    let server = ScriptedServer::start(|mut all| io::copy(&mut all, &mut io::sink()).map(drop));
    let address = server.address().to_string();
    let mute = [&address, "--requests=10", "--conns=2", "--warmup=0", "--timeout=200ms"];
    let finished = BenchProcess::start(&mute).finish(PATIENCE);
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    let summary = &finished.report()["summary"];
    // Nothing was answered during that time.
    assert!(summary["measured_s"].as_f64() >= Some(0.2), "{summary}");
    assert_eq!(summary["achieved_per_s"], 0.0, "{summary}");
    let folder = tempfile::tempdir().expect("a folder");
    let stored = folder.path().join("report.json");
    std::fs::write(&stored, finished.report().to_string()).expect("room for a report");
    let shown = Command::new(own_program("echo-bench")).arg("report").arg(&stored).output();
    let shown = shown.expect("it runs");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
}

/// What had been received was answered: the rest was never taken by anyone.
#[test]
fn a_server_that_is_stopped_in_order_closes_and_resets_nobody() {
    on_every_model(&["--log-format=json"], |server| {
        let target = server.address().to_string();
        let mut run = BenchProcess::start(&[
            &target,
            "--conns=20",
            "--pipeline=4",
            "--duration=3s",
            "--warmup=0",
            "--timeout=500ms",
        ]);
        run.wait_until_measuring();
        server.signal(Signal::TERM);
        let summary = server.wait_exit(PATIENCE).summary();
        assert_eq!(summary["cut"], 0, "{summary}");
        let finished = run.finish(PATIENCE);
        assert_ne!(finished.code, Some(0), "{finished:#?}");
        let counts = ["ok", "closed", "reset"].map(|kind| finished.requests(kind));
        println!("{}: {counts:?}", server.ready()["model"]);
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?} {finished:#?}");
        assert_eq!(counts[2], 0, "{finished:#?}");
        warning(&finished, "no-replies");
    });
}
