//! One plan in several processes: parts that are started together and merged, and `--agents`,
//! which does both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use echo_net::process_tree::descendants;
use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    run(Command::new(own_program("echo-bench")).args(arguments), b"", PATIENCE)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("a temporary folder has a plain name").to_owned()
}

fn read(path: impl AsRef<Path>) -> Value {
    let text = fs::read(path).expect("it was written");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// The flags of a plan that several processes can carry out.
const PLAN: [&str; 7] = [
    "--seed=7",
    "--conns=10",
    "--rate=2k",
    "--arrival=poisson",
    "--duration=1s",
    "--warmup=200ms",
    "--quiet",
];

/// Two parts of a plan at once; their reports are in the folder.
fn two_parts(target: &str, folder: &Path, delay: Duration) -> [BenchProcess; 2] {
    let at = humantime::format_rfc3339_nanos(SystemTime::now() + delay).to_string();
    ["1/2", "2/2"].map(|part| {
        let file = path(folder, &format!("{}.json", &part[..1]));
        let own = [target, "--part", part, "--start-at", &at, "--output", &file];
        BenchProcess::start(&[&own, &PLAN[..]].concat())
    })
}

#[test]
fn parts_that_start_together_merge_to_the_run_of_one_process() {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let (target, folder) = (server.address().to_string(), tempfile::tempdir().expect("room"));
    let folder = folder.path();
    let parts = two_parts(&target, folder, Duration::from_secs(1));
    for part in parts {
        let finished = part.finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
    }
    let files = ["1.json", "2.json"].map(|name| path(folder, name));
    let reports = [read(&files[0]), read(&files[1])];
    assert_eq!(reports[1]["plan"]["part"], serde_json::json!({"number": 2, "of": 2}));
    let whole = path(folder, "whole.json");
    let merged = bench(&["merge", &files[0], &files[1], "-o", &whole]);
    assert!(merged.status.success(), "{}", said(&merged));
    let merged = read(&whole);
    let sum = |name: &str| {
        let of = |report: &Value| report["summary"]["requests"][name].as_u64();
        reports.iter().map(|report| of(report).expect("a count")).sum::<u64>()
    };
    for name in ["scheduled", "ok"] {
        assert_eq!(merged["summary"]["requests"][name], sum(name), "{name}");
    }
    assert_eq!(merged["summary"]["latency"]["response"]["count"], sum("ok"));
    let skew = merged["parts"]["start_skew_ns"].as_u64().expect("both told when they began");
    assert!(skew < 1_000_000_000, "{skew} ns");
    assert_eq!(merged["summary"]["connections"]["requested"], 10);
    assert!(merged["summary"]["cpu"]["server_us_per_message"].as_f64() > Some(0.0));

    // The same plan in one process has the same schedule; it is compared only when told.
    let alone = path(folder, "alone.json");
    let own = [target.as_str(), "--output", &alone];
    let one = BenchProcess::start(&[&own, &PLAN[..]].concat());
    assert_eq!(one.finish(PATIENCE).code, Some(0));
    let one = read(&alone);
    assert_eq!(one["plan"]["schedule_digest"], merged["plan"]["schedule_digest"]);
    assert_eq!(
        one["summary"]["requests"]["scheduled"],
        merged["summary"]["requests"]["scheduled"]
    );
    let refused = bench(&["compare", &alone, &whole]);
    assert!(said(&refused).contains("different numbers of processes"), "{}", said(&refused));
    let forced = bench(&["compare", "--force", &alone, &whole]);
    assert!(forced.status.code() != Some(1), "{}", said(&forced));

    // What lacks a part, has one twice, or both.
    for (files, reason) in [
        (&files[..1], "part 2 of 2 is missing"),
        (&[files[0].clone(), files[0].clone()][..], "part 1/2 is there twice"),
    ] {
        let words: Vec<&str> = files.iter().map(String::as_str).collect();
        let refused = bench(&[&["merge"], &words[..]].concat());
        assert!(
            !refused.status.success() && said(&refused).contains(reason),
            "{}",
            said(&refused)
        );
    }
    let partial = bench(&["merge", &files[0], "--allow-missing", "--format=text"]);
    let text = String::from_utf8_lossy(&partial.stdout).into_owned();
    assert!(text.contains("parts-missing") && text.contains("1 of 2"), "{text}");
    for format in ["text", "markdown", "html"] {
        let shown = bench(&["report", &whole, "--format", format]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("what each part found and cost"), "{format}: {shown}");
    }
}

#[test]
fn a_part_that_waits_for_its_time_stops_at_once_when_it_is_told() {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let before = sockets(&server);
    let target = server.address().to_string();
    let process = BenchProcess::start(&[
        &target,
        "--part=1/2",
        "--seed=7",
        "--conns=4",
        "--start-at=+600s",
        "--warmup=0",
    ]);
    wait_until("its connections are there", || sockets(&server) >= before + 2);
    process.signal(Signal::INT);
    let finished = process.finish(PATIENCE);
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    assert!(finished.took < Duration::from_secs(30), "{finished:#?}");
}

/// Sockets of the server: its own, and its connections.
fn sockets(server: &RunningServer) -> usize {
    let folder = PathBuf::from(format!("/proc/{}/fd", server.pid()));
    let links = fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    let sockets = sockets.filter(|link| link.to_string_lossy().starts_with("socket:"));
    sockets.count()
}

#[test]
fn agents_of_this_machine_give_one_report_with_one_server() {
    let finished = BenchProcess::start(&[
        "--agents=3",
        "--local",
        "--conns=9",
        "--rate=1500",
        "--duration=1s",
        "--warmup=200ms",
        "--seed=5",
        "--model=epoll",
        "--slo=errors<1%",
    ])
    .finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let report = finished.report();
    assert_eq!(finished.requests("scheduled"), 1500);
    assert_eq!(finished.requests("ok"), 1500);
    let parts = report["parts"]["each"].as_array().expect("a list");
    assert_eq!(parts.len(), 3);
    let ok = parts.iter().filter_map(|part| part["requests"]["ok"].as_u64()).sum::<u64>();
    assert_eq!(ok, 1500);
    assert_eq!(report["plan"]["target"]["kind"], "embedded");
    assert_eq!(report["plan"]["part"], Value::Null);
    assert_eq!(report["slos"].as_array().map(Vec::len), Some(1));
    assert!(report["summary"]["server_side"].is_object(), "of the one server");
    let busy = report["summary"]["cpu"]["server_busy"].as_f64().expect("it was seen");
    assert!(busy < 1.5, "{busy} cores of one worker or two");
    assert!(finished.stdout.contains("3 of 3"), "{}", finished.stdout);
    assert!(finished.stderr.contains("of 3 parts at work"), "{}", finished.stderr);
}

/// The processes of the parts, by their command lines.
fn children(parent: Pid) -> Vec<Pid> {
    let pids = descendants(parent.as_raw_pid().cast_unsigned()).into_iter();
    let pids = pids.filter_map(|pid| Pid::from_raw(pid.cast_signed()));
    let is_part = |pid: &Pid| {
        let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        let words = words.unwrap_or_default();
        String::from_utf8_lossy(&words).contains("--part=")
    };
    pids.filter(is_part).collect()
}

fn is_there(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

#[test]
fn a_part_that_is_killed_is_named_and_the_report_is_marked() {
    let process = BenchProcess::start(&[
        "--agents=2",
        "--local",
        "--conns=4",
        "--rate=400",
        "--duration=3s",
        "--warmup=0",
        "--seed=5",
        "--model=epoll",
    ]);
    let parts = wait_for("both parts are there", || {
        let parts = children(process.pid());
        (parts.len() == 2).then_some(parts)
    });
    kill_process(parts[1], Signal::KILL).expect("it is a child of a child");
    let finished = process.finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("is lost"), "{}", finished.stderr);
    let report = finished.report();
    assert_eq!(report["parts"]["missing"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["parts"]["each"].as_array().map(Vec::len), Some(1));
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("parts-missing"), "{warnings}");
    assert!(!parts.iter().any(|&part| is_there(part)), "nothing is left running");
}

#[test]
fn an_interrupted_run_of_agents_has_the_partial_report_of_all() {
    let mut process = BenchProcess::start(&[
        "--agents=2",
        "--local",
        "--conns=4",
        "--rate=400",
        "--duration=60s",
        "--warmup=0",
        "--seed=5",
        "--model=epoll",
    ]);
    process.wait_until_said("interval 1:");
    let parts = children(process.pid());
    assert_eq!(parts.len(), 2);
    process.signal(Signal::INT);
    let finished = process.finish(PATIENCE);
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    let report = finished.report();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["parts"]["each"].as_array().map(Vec::len), Some(2));
    assert!(finished.requests("ok") >= 400);
    assert!(!parts.iter().any(|&part| is_there(part)), "nothing is left running");
}

#[test]
fn what_several_processes_can_not_do_is_refused_by_its_flag() {
    for (flags, reasons) in [
        ("--part=1/2 --conns=4 127.0.0.1:1", &["--part", "--seed"][..]),
        ("--part=1/2 --seed=1", &["--part", "--target"]),
        ("--part=1/2 --seed=1 --pool=3 127.0.0.1:1", &["--part", "--pool"]),
        ("--part=1/9 --seed=1 --conns=4 127.0.0.1:1", &["--part 1/9", "--conns"]),
        ("--part=3/2 --seed=1 127.0.0.1:1", &["--part", "K/N"]),
        ("--part=1/2 --seed=1 --until=p99+-5% 127.0.0.1:1", &["--part", "--until"]),
        ("--start-at=noon 127.0.0.1:1", &["--start-at", "RFC 3339"]),
        ("--agents=2", &["--local"]),
        ("--agents=1 --local", &["--agents", "at least 2"]),
        ("--agents=20 --local --conns=4", &["--conns"]),
        ("--agents=2 --local --pin=0,1", &["--agents", "--pin"]),
        ("--agents=2 --local --link=lan", &["--agents", "--link"]),
        ("--agents=2 --local --tls", &["--agents", "--tls", "--target"]),
    ] {
        let words: Vec<&str> = flags.split_whitespace().chain(["--no-report"]).collect();
        let refused = bench(&words);
        assert_eq!(refused.status.code(), Some(2), "{flags}: {}", said(&refused));
        for reason in reasons {
            assert!(said(&refused).contains(reason), "{flags}: {}", said(&refused));
        }
    }
}
