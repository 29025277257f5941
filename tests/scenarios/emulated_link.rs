//! `--link`: a network between both sides, below TCP, on one machine and without root.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use echo_bench_link::Direction;
use echo_net::process_tree;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, run, tell_skipped, third_party_or_skip};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Whether links can be emulated here; else the test is skipped by name.
pub(crate) fn usable_or_skip() -> bool {
    let tried = run(Command::new(own_program("echo-bench")).arg("try-link"), b"", PATIENCE);
    if !tried.status.success() {
        let (thread, said) = (thread::current(), String::from_utf8_lossy(&tried.stderr));
        tell_skipped(thread.name().unwrap_or_default(), said.trim());
    }
    tried.status.success()
}

fn load(flags: &[&str]) -> Finished {
    let common = ["--model=epoll", "--warmup=0", "--seed=7"];
    BenchProcess::start(&[&common, flags].concat()).finish(PATIENCE)
}

/// A count of the link's two directions together.
fn both(report: &Value, name: &str) -> u64 {
    let counts = &report["link"]["counts"];
    let of = |direction: &str| counts[direction][name].as_u64().expect("a count");
    of("to_server") + of("to_generator")
}

fn fastest_ns(report: &Value) -> f64 {
    report["summary"]["latency"]["response"]["min_ns"].as_f64().expect("it was answered")
}

#[test]
fn a_round_trip_over_an_emulated_link_takes_what_was_asked_for() {
    if !usable_or_skip() {
        return;
    }
    for (link, rtt_ns) in [("rtt=20ms", 20e6), ("rtt=10ms,ip=6", 10e6)] {
        let finished = load(&["--link", link, "--conns=1", "--requests=20"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let report = finished.report();
        // The least is not the doing of what else runs here.
        let fastest = fastest_ns(report);
        assert!((rtt_ns..rtt_ns * 1.5).contains(&fastest), "{link}: {fastest}");
        assert_eq!(report["link"]["spec"], link);
        assert_eq!(report["plan"]["link"], link);
        assert!(report["link"]["own_rtt_ns"].as_f64().expect("measured") < 20e6);
        let counts = &report["link"]["counts"];
        // What closes the connection may be under way when the link ends.
        let (packets, delivered) = (both(report, "packets"), both(report, "delivered"));
        assert!(delivered <= packets && packets < delivered + 10, "{packets}, {delivered}");
        assert_eq!(counts["lost_by_forwarder"], 0);
        assert!(counts["lateness"]["p50_ns"].is_u64() && counts["cpu_us"].is_u64());
        let shown = finished.stdout.replace('\n', " ");
        assert!(shown.contains(&format!("emulated link {link}")), "{}", finished.stdout);
        assert!(shown.contains("in a round trip without delay"), "{}", finished.stdout);
    }
}

#[test]
fn losses_are_as_asked_and_tcp_sends_again() {
    if !usable_or_skip() {
        return;
    }
    let link = "rtt=1ms,loss=1%";
    let finished = load(&["--link", link, "--conns=50", "--requests=11k"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = finished.report();
    let (packets, lost) = (both(report, "packets") as f64, both(report, "lost") as f64);
    assert!(packets > 20_000.0, "{packets}");
    let deviation = (packets * 0.01 * 0.99).sqrt();
    assert!((lost - packets * 0.01).abs() <= 3.0 * deviation, "{lost} of {packets}");
    let delivered = both(report, "delivered") as f64;
    // What closes 50 connections may be under way when the link ends.
    assert!((packets - lost - 200.0..=packets - lost).contains(&delivered), "{delivered}");
    // What packet has which number is TCP's affair; the fate of a number is that of the seed.
    for (direction, seed) in [("to_server", 7_u64), ("to_generator", !7)] {
        let counts = &report["link"]["counts"][direction];
        let count = |name: &str| counts[name].as_u64().expect("a count");
        let mut again = Direction::new(link.parse().expect("a link"), seed);
        for at in 0..count("packets") {
            let _ = again.offer(at, 60, ());
        }
        assert_eq!(count("lost"), again.counts().lost, "{direction}: {counts}");
    }
}

#[test]
fn a_rate_bounds_the_throughput() {
    if !usable_or_skip() {
        return;
    }
    let finished =
        load(&["--link=rtt=1ms,rate=20M", "--conns=2", "--pipeline=4", "-s64K", "-d1s"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = finished.report();
    let bytes = report["summary"]["bytes"]["received"].as_f64().expect("counted");
    let seconds = report["summary"]["measured_s"].as_f64().expect("measured");
    let megabits = bytes * 8.0 / seconds / 1e6;
    // What waited in the queue when the window began is on top; a busy machine may do less.
    assert!((8.0..23.0).contains(&megabits), "{megabits} Mbit/s");
    assert_eq!(report["link"]["rate_bits_per_s"], 20_000_000);
}

#[test]
fn a_server_of_a_command_is_at_the_other_end_of_the_link() {
    if !usable_or_skip() {
        return;
    }
    let server = own_program("echo-server");
    for command in ["{addr}", "{host}:{port}"] {
        let exec = format!("--exec={} {command} --quiet", server.display());
        let common = ["--link=lan", "--conns=2", "--requests=50", "--warmup=0"];
        let finished = BenchProcess::start(&[&common[..], &[&exec]].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let report = finished.report();
        assert_eq!(report["link"]["preset"], "lan");
        assert!(fastest_ns(report) >= 200e3);
        assert!(report["server"]["pid"].is_u64(), "the server's process is found");
    }
}

#[test]
fn a_link_to_a_server_that_is_there_is_refused() {
    for (flags, said) in [
        (&["--link=lan", "--target=127.0.0.1:9"][..], "leave the target out"),
        (&["--link=lan", "--source-ip=127.0.0.2"], "--source-ip has no effect with --link"),
        (&["--link=lam"], "`lam` is neither a preset (lan, metro"),
    ] {
        let finished = BenchProcess::start(flags).finish(PATIENCE);
        assert_eq!(finished.code, Some(2), "{flags:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{flags:?}: {}", finished.stderr);
    }
}

#[test]
fn a_forwarder_that_dies_is_said_and_the_run_ends() {
    if !usable_or_skip() {
        return;
    }
    let flags =
        ["--link=rtt=1ms", "--conns=2", "-d3s", "--warmup=0", "--timeout=500ms", "--drain=0"];
    let mut running = BenchProcess::start(&flags);
    running.wait_until_measuring();
    let own = running.pid().as_raw_nonzero().get().cast_unsigned();
    let children = process_tree::descendants(own);
    let forwarders: Vec<u32> = children.into_iter().filter(|pid| is_forwarder(*pid)).collect();
    let [forwarder] = forwarders[..] else { panic!("{forwarders:?}") };
    let forwarder = Pid::from_raw(forwarder.cast_signed()).expect("a process");
    kill_process(forwarder, Signal::KILL).expect("it is ours");
    let finished = running.finish(PATIENCE);
    let report = finished.report();
    let codes: Vec<&Value> = report["warnings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|warning| &warning["code"])
        .collect();
    assert!(codes.iter().any(|code| *code == "link-broken"), "{codes:?}");
    assert!(finished.stderr.contains("the link's forwarder ended"), "{}", finished.stderr);
}

/// However a run ends, nothing of its link is left: no process, and no network namespace, with
/// which its devices go.
#[test]
fn nothing_of_a_link_outlives_its_run() {
    if !usable_or_skip() {
        return;
    }
    let server = own_program("echo-server");
    let exec = format!("--exec={} {{addr}} --quiet", server.display());
    let ends = [
        ("--model=epoll", Signal::INT, Some(130)),
        ("--model=epoll", Signal::TERM, Some(143)),
        ("--model=epoll", Signal::KILL, None),
        (exec.as_str(), Signal::KILL, None),
    ];
    thread::scope(|scope| {
        for (server, signal, code) in ends {
            scope.spawn(move || ends_with_all_of_its_link(server, signal, code));
        }
    });
}

fn ends_with_all_of_its_link(server: &str, signal: Signal, code: Option<i32>) {
    let case = format!("{server} {signal:?}");
    let flags = [server, "--link=rtt=2ms", "--conns=2", "-d20s", "--warmup=0"];
    let mut running = BenchProcess::start(&flags);
    running.wait_until_measuring();
    let own = running.pid().as_raw_nonzero().get().cast_unsigned();
    let children = process_tree::descendants(own);
    assert!(children.iter().any(|pid| is_forwarder(*pid)), "{case}: {children:?}");
    let mut networks: Vec<PathBuf> =
        children.iter().chain([&own]).filter_map(|pid| network_of(*pid)).collect();
    networks.sort();
    networks.dedup();
    let ours = network_of(std::process::id()).expect("that of the tests");
    assert!(networks.len() >= 2 && !networks.contains(&ours), "{case}: {networks:?}");
    running.signal(signal);
    let finished = running.finish(PATIENCE);
    assert_eq!(finished.code, code, "{case}: {}", finished.stderr);
    wait_until("every process of the run is gone", || {
        let is_there = |network: PathBuf| networks.contains(&network);
        !children.iter().any(|pid| network_of(*pid).is_some_and(is_there))
    });
    // A namespace without a process is gone with its devices.
    let processes = std::fs::read_dir("/proc").expect("it is mounted").flatten();
    let left: Vec<PathBuf> = processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter_map(network_of)
        .filter(|network| networks.contains(network))
        .collect();
    assert_eq!(left, [] as [PathBuf; 0], "{case}");
    if code.is_some() {
        let report = finished.report();
        assert_eq!(report["interrupted"], true, "{case}");
        assert!(both(report, "delivered") > 0, "{case}");
    }
}

/// The network namespace of a process; `None` once it is gone, if only to be waited for.
fn network_of(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

fn is_forwarder(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|words| words.split(|byte| *byte == 0).any(|word| word == b"forward-link"))
}

/// A copy of the program that everybody may start, in a folder of its own.
fn copied() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("echo-bench");
    std::fs::copy(own_program("echo-bench"), &copy).expect("it can be copied");
    for path in [folder.path(), copy.as_path()] {
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, everybody).expect("it is ours");
    }
    (folder, copy)
}

#[test]
fn an_ordinary_user_needs_no_root() {
    let test = "an_ordinary_user_needs_no_root";
    if !rustix::process::geteuid().is_root() {
        // Then every other test here is of an ordinary user.
        return tell_skipped(test, "only root can become another user");
    }
    let Some(mut command) = third_party_or_skip(test, "setpriv") else { return };
    let (folder, copy) = copied();
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(copy)
        .args(["--link=rtt=5ms", "--conns=2", "--requests=20", "--warmup=0", "--no-report"])
        .args(["--pin=off", "-o-"])
        .current_dir("/")
        .env("HOME", folder.path());
    let output = run(&mut command, b"", PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("run as root") {
        return tell_skipped(test, said);
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(fastest_ns(&report) >= 5e6);
    assert_eq!(both(&report, "lost"), 0);
}

#[test]
fn where_user_namespaces_are_off_the_refusal_names_the_setting() {
    let test = "where_user_namespaces_are_off_the_refusal_names_the_setting";
    let Some(mut command) = third_party_or_skip(test, "unshare") else { return };
    if third_party_or_skip(test, "setpriv").is_none() {
        return;
    }
    // In a user namespace whose root has given away what it may do.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces || exit 99
        exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    command
        .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(own_program("echo-bench"))
        .args(["--link=lan", "--no-report", "--requests=1"]);
    let output = run(&mut command, b"", PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(99) || said.contains("unshare:") {
        return tell_skipped(test, said);
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["--link", "user namespaces are off", "sysctl -w user.max_user_namespaces="] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
