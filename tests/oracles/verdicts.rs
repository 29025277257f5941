//! What a run is called: one whose server starves connections, whose server stands still from
//! before the window, or whose generator did not get the processor, is never simply valid; a
//! quiet run raises none of these alarms.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{Killed, own_program, tell_skipped, third_party_or_skip};
use echo_test_support::running_server::RunningServer;
use echo_test_support::turn::turn;
use rustix::process::Signal;

use echo_bench::fault_server::{Fault, FaultServer, Framing};

/// The message of the warning with this code.
#[track_caller]
fn warning(finished: &Finished, code: &str) -> String {
    let warnings = finished.report()["warnings"].as_array().expect("by the schema");
    let found = warnings.iter().find(|warning| warning["code"] == code);
    let Some(found) = found else { panic!("no {code}: {warnings:#?}") };
    found["message"].as_str().expect("by the schema").to_owned()
}

fn codes(finished: &Finished) -> Vec<String> {
    let warnings = finished.report()["warnings"].as_array().expect("by the schema");
    warnings.iter().filter_map(|warning| Some(warning["code"].as_str()?.to_owned())).collect()
}

fn max_ms(finished: &Finished) -> f64 {
    let max = &finished.report()["summary"]["latency"]["response"]["max_ns"];
    max.as_f64().expect("measured") / 1e6
}

#[test]
fn connections_that_get_no_reply_are_named_and_the_run_is_invalid() {
    let _turn = turn();
    let starving = |connection| connection >= 8;
    let server =
        FaultServer::start_with(Framing::Line, Fault::Mute(0), starving).expect("a free port");
    let address = server.address();
    let plan = [&*address, "--conns=100", "--duration=1s", "--warmup=200ms", "--drain=100ms"];
    let finished = BenchProcess::start(&plan).finish(PATIENCE);
    let told = "92 of 100 connections got no reply in the window";
    assert_eq!(warning(&finished, "starved-connections"), told);
    assert!(finished.stdout.contains(told), "{}", finished.stdout);
    assert_eq!(finished.report()["verdict"], "invalid");
    assert!(max_ms(&finished) >= 1000.0, "those open at the end count with their age");
    assert_eq!(finished.code, Some(1), "requests failed: {finished:#?}");
}

#[test]
fn a_server_that_answers_nobody_is_not_called_unfair() {
    let _turn = turn();
    let server = FaultServer::start(Fault::Mute(0)).expect("a free port");
    let address = server.address();
    let plan = [&*address, "--conns=10", "--duration=300ms", "--warmup=0", "--drain=100ms"];
    let finished = BenchProcess::start(&plan).finish(PATIENCE);
    let codes = codes(&finished);
    assert!(codes.iter().any(|code| code == "nothing-measured"), "{codes:?}");
    assert!(!codes.iter().any(|code| code == "unfair"), "{codes:?}");
    assert_eq!(finished.report()["verdict"], "invalid");
}

/// Only requests of the warm-up meet the standstill from its beginning on.
#[test]
fn a_server_that_stands_still_from_before_the_window_shows_in_the_latency() {
    let _turn = turn();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let plan = [&*address, "--conns=4", "--duration=1500ms", "--warmup=1s", "--threads=1"];
    let run = BenchProcess::start(&plan);
    wait_until("the load runs", || cpu_ticks(server.pid()) >= 5);
    server.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(1900));
    server.signal(Signal::CONT);
    let finished = run.finish(PATIENCE);
    assert!(max_ms(&finished) > 500.0, "{}", finished.stdout);
    assert_ne!(finished.report()["verdict"], "valid", "{}", finished.stdout);
}

/// Hundredths of a second of CPU time that a process has used.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name may contain spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[track_caller]
fn assert_denied(finished: &Finished, cause: &str) {
    let said = warning(finished, "generator-limited");
    assert!(said.contains("wanted to run and did not for "), "{said}");
    assert!(said.contains(cause), "{said}");
    assert_ne!(finished.report()["verdict"], "valid");
}

#[test]
fn a_generator_that_was_stopped_says_so() {
    let _turn = turn();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let plan = [&*address, "--conns=4", "--duration=3s", "--warmup=0", "--threads=1"];
    for more in [&[][..], &["--strict"]] {
        let mut run = BenchProcess::start(&[&plan[..], more].concat());
        run.wait_until_measuring();
        run.signal(Signal::STOP);
        thread::sleep(Duration::from_secs(1));
        run.signal(Signal::CONT);
        let finished = run.finish(PATIENCE);
        assert_denied(&finished, "or it was stopped");
        assert_eq!(finished.code, Some(if more.is_empty() { 0 } else { 4 }));
    }
}

#[test]
fn a_generator_whose_core_others_use_says_so() {
    let _turn = turn();
    let test = "a_generator_whose_core_others_use_says_so";
    let Some(mut pinned) = third_party_or_skip(test, "taskset") else { return };
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let busy = || {
        let mut command = Command::new("taskset");
        Killed::start(command.args(["-c", "0", "sh", "-c", "while :; do :; done"]))
    };
    let _others = [busy(), busy()];
    pinned.args(["-c", "0"]).arg(own_program("echo-bench"));
    let plan = [&*address, "--conns=4", "--duration=1s", "--warmup=200ms", "--threads=1"];
    let finished = BenchProcess::start_as(&mut pinned, &plan).finish(PATIENCE);
    assert_denied(&finished, "other threads ran");
}

/// A control group with a tenth of a core; removed when dropped.
struct Quota(PathBuf);

impl Quota {
    fn new_or_skip(test: &str) -> Option<Self> {
        let name = format!("echo-suite-{}", std::process::id());
        let is_v1 = Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists()
            || Path::new("/sys/fs/cgroup/cpu/tasks").exists();
        let root = if is_v1 { "/sys/fs/cgroup/cpu" } else { "/sys/fs/cgroup" };
        let group = Self(Path::new(root).join(name));
        let limits: &[_] = if is_v1 {
            &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "10000")]
        } else {
            &[("cpu.max", "10000 100000")]
        };
        let made = fs::create_dir(&group.0).and_then(|()| {
            limits.iter().try_for_each(|(file, value)| fs::write(group.0.join(file), value))
        });
        if let Err(reason) = made {
            tell_skipped(test, format_args!("{}: {reason}", group.0.display()));
            return None;
        }
        Some(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_generator_that_its_control_group_held_back_names_the_quota() {
    let _turn = turn();
    let test = "a_generator_that_its_control_group_held_back_names_the_quota";
    let Some(group) = Quota::new_or_skip(test) else { return };
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let mut limited = Command::new("sh");
    let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", group.0.display());
    limited.args(["-c", &enter, "sh"]).arg(own_program("echo-bench"));
    let plan = [&*address, "--conns=4", "--duration=2s", "--warmup=200ms", "--threads=1"];
    let finished = BenchProcess::start_as(&mut limited, &plan).finish(PATIENCE);
    assert_denied(&finished, "its control group may use 0.10 cores");
    let quota = &finished.report()["summary"]["surroundings"]["quota_cores"];
    assert_eq!(quota, 0.1);
}

/// Other load on the machine may deny it the processor, which is then said; the rest is not so.
#[test]
fn a_fair_server_raises_no_alarm() {
    let _turn = turn();
    for load in [&["--rate=2k"][..], &["--conns=50"], &["--conns=50", "--pipeline=4"]] {
        let plan = ["--model=epoll", "--duration=1s", "--warmup=200ms", "--quiet"];
        let finished = BenchProcess::start(&[&plan, load].concat()).finish(PATIENCE);
        let codes = codes(&finished);
        for wrong in ["starved-connections", "unfair", "littles-law", "errors-seen"] {
            assert!(!codes.iter().any(|code| code == wrong), "{load:?}: {}", finished.stdout);
        }
    }
}
