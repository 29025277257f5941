//! Load from several agents over NATS: one report of all, whatever becomes of an agent, of the
//! coordinator and of the NATS server, and whatever else is sent over the bus.

mod bus;
mod server;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::program::{own_program, run, tell_skipped};
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;
use serde_json::Value;

use bus::{NatsServer, RunningAgent};

const LIMIT: Duration = Duration::from_mins(1);

/// A server under test.
fn target() -> RunningServer {
    RunningServer::start(ModelKind::Epoll, &[])
}

/// A run of so many agents, started.
fn start(
    bus: &NatsServer,
    agents: &str,
    target: &RunningServer,
    flags: &[&str],
) -> BenchProcess {
    let (url, address) = (bus.url(), target.address().to_string());
    let common =
        ["run", &address, "--nats", &url, "--agents", agents, "-c", "8", "--seed", "7"];
    BenchProcess::start(&[&common[..], &["-w", "200ms"], flags].concat())
}

fn agents(bus: &NatsServer, count: u32) -> Vec<RunningAgent> {
    (1..=count).map(|n| RunningAgent::start(bus, &format!("load-{n}"), &[])).collect()
}

/// The parts of a merged report.
#[track_caller]
fn parts(report: &Value) -> &Vec<Value> {
    let parts = report["parts"]["each"].as_array();
    parts.unwrap_or_else(|| panic!("no parts: {}", report["parts"]))
}

#[track_caller]
fn assert_ended(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{}\n{}", finished.stderr, finished.stdout);
}

#[test]
fn agents_share_a_plan_and_their_counts_add_up() {
    let test = "agents_share_a_plan_and_their_counts_add_up";
    let Some(bus) = NatsServer::start(test) else { return };
    let (agents, target) = (agents(&bus, 3), target());
    let run = start(&bus, "3", &target, &["--rate", "600", "-d", "2s"]);
    let finished = run.finish(LIMIT);
    assert_ended(&finished, 0);
    let report = finished.report();
    assert_eq!(finished.requests("ok"), 1200);
    let names: Vec<&str> =
        parts(report).iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["load-1", "load-2", "load-3"]);
    let ok = |part: &Value| part["requests"]["ok"].as_u64().unwrap();
    assert_eq!(parts(report).iter().map(ok).sum::<u64>(), 1200, "{}", report["parts"]);
    for part in parts(report) {
        let error = part["clock"]["error_ns"].as_u64();
        assert!(error.is_some(), "the clock of {} was not measured", part["name"]);
    }
    assert!(report["parts"]["start_skew_ns"].is_u64(), "{}", report["parts"]);
    // They are ready for the next, and leave in order.
    let again = start(&bus, "2", &target, &["-n", "100"]).finish(LIMIT);
    assert_ended(&again, 0);
    assert_eq!(again.requests("ok"), 100);
    for agent in agents {
        assert_eq!(agent.stop(), Some(143));
    }
}

#[test]
fn an_agent_that_is_killed_is_marked_or_aborts_the_run() {
    let test = "an_agent_that_is_killed_is_marked_or_aborts_the_run";
    let Some(bus) = NatsServer::start(test) else { return };
    let target = target();
    for (on_loss, length) in [("mark", "3s"), ("abort", "60s")] {
        let agents = agents(&bus, 2);
        let flags = ["--rate", "200", "-d", length, "--on-loss", on_loss];
        let mut run = start(&bus, "2", &target, &flags);
        run.wait_until_measuring();
        agents[1].kill();
        let finished = run.finish(LIMIT);
        assert_ended(&finished, 1);
        assert!(finished.stderr.contains("load-2"), "{}", finished.stderr);
        let report = finished.report();
        assert_eq!(parts(report).len(), 1);
        let missing = &report["parts"]["missing"][0];
        assert_eq!(missing["number"], 2, "{}", report["parts"]);
        let aborted = finished.stderr.contains("aborted");
        assert_eq!(aborted, on_loss == "abort", "{}", finished.stderr);
    }
}

#[test]
fn a_run_whose_coordinator_was_killed_is_collected() {
    let test = "a_run_whose_coordinator_was_killed_is_collected";
    let Some(bus) = NatsServer::start(test) else { return };
    let (agents, target) = (agents(&bus, 2), target());
    let mut run = start(&bus, "2", &target, &["--rate", "200", "-d", "2s"]);
    run.wait_until_measuring();
    run.signal(Signal::KILL);
    let killed = run.finish(LIMIT);
    let name = killed.stderr.split("run ").nth(1).and_then(|rest| rest.split(';').next());
    let name = name.unwrap_or_else(|| panic!("no name of the run: {}", killed.stderr));
    for agent in &agents {
        agent.wait_until_said("is done");
    }
    let url = bus.url();
    let mut collect = Command::new(own_program("echo-bench"));
    let collected = echo_test_support::program::run(
        collect.args(["collect", name, "--nats", &url]),
        b"",
        LIMIT,
    );
    let said = String::from_utf8_lossy(&collected.stderr);
    assert!(collected.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&collected.stdout).expect("a report");
    assert_eq!(parts(&report).len(), 2);
    assert_eq!(report["summary"]["requests"]["ok"], 400);
    let mut unknown = Command::new(own_program("echo-bench"));
    let unknown = echo_test_support::program::run(
        unknown.args(["collect", "nothing", "--nats", &url]),
        b"",
        LIMIT,
    );
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && said.contains("run nothing"), "{said}");
}

#[test]
fn an_agent_refuses_what_it_should_not_obey_and_stays() {
    let test = "an_agent_refuses_what_it_should_not_obey_and_stays";
    let Some(bus) = NatsServer::start(test) else { return };
    let mut agent = RunningAgent::start(&bus, "load-1", &[]);
    let huge = vec![b'['; 500_000];
    let foreign =
        br#"{"schema":"echo-bench.fleet/v9","run":"x","sequence":1,"order":{"renew":{}}}"#;
    let replayed = br#"{"schema":"echo-bench.fleet/v1","run":"x","sequence":1,"order":{"start":{"part":1,"parts":1,"at_ns":0}}}"#;
    for (message, said) in [
        (&b"\xff\0nonsense"[..], "not a message"),
        (&huge, "500000 bytes"),
        (foreign, "fleet/v9"),
        (replayed, "no run x"),
    ] {
        bus.publish("echobench.agent.load-1", message);
        agent.wait_until_said(said);
    }
    assert!(agent.is_running());
    let target = target();
    let finished = start(&bus, "1", &target, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 50);
    assert!(agent.has_said("is done"));
}

#[test]
fn an_agent_loads_permitted_addresses_only_and_runs_nothing_but_plans() {
    let test = "an_agent_loads_permitted_addresses_only_and_runs_nothing_but_plans";
    let Some(bus) = NatsServer::start(test) else { return };
    let _agent = RunningAgent::start(&bus, "load-1", &["--allow", "192.0.2.0/24"]);
    let target = target();
    let finished = start(&bus, "1", &target, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 1);
    for part in ["load-1", "127.0.0.1", "192.0.2.0/24", "--allow"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    let file = tempfile::NamedTempFile::new().expect("room for a file");
    std::fs::write(file.path(), "hello\n").expect("room for a file");
    let path = file.path().display().to_string();
    let finished = start(&bus, "1", &target, &["--message-file", &path]).finish(LIMIT);
    assert_ended(&finished, 2);
    assert!(finished.stderr.contains("--message-file"), "{}", finished.stderr);
}

#[test]
fn too_few_agents_are_named_unless_fewer_are_enough() {
    let test = "too_few_agents_are_named_unless_fewer_are_enough";
    let Some(bus) = NatsServer::start(test) else { return };
    let (_agents, target) = (agents(&bus, 1), target());
    let finished = start(&bus, "2", &target, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 1);
    assert!(finished.stderr.contains("--agents 2"), "{}", finished.stderr);
    let finished = start(&bus, "2", &target, &["-n", "50", "--min-agents", "1"]).finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 50);
}

#[test]
fn an_interrupted_run_reports_what_was_measured() {
    let test = "an_interrupted_run_reports_what_was_measured";
    let Some(bus) = NatsServer::start(test) else { return };
    let (_agents, target) = (agents(&bus, 2), target());
    let mut run = start(&bus, "2", &target, &["--rate", "200", "-d", "60s"]);
    run.wait_until_measuring();
    run.signal(Signal::INT);
    let finished = run.finish(LIMIT);
    assert_ended(&finished, 130);
    assert_eq!(parts(finished.report()).len(), 2);
    assert!(finished.requests("ok") > 0);
}

#[test]
fn a_nats_server_that_is_restarted_loses_nothing() {
    let test = "a_nats_server_that_is_restarted_loses_nothing";
    let Some(mut bus) = NatsServer::start(test) else { return };
    let (_agents, target) = (agents(&bus, 2), target());
    let mut run = start(&bus, "2", &target, &["--rate", "200", "-d", "4s"]);
    run.wait_until_measuring();
    bus.restart();
    let finished = run.finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 800);
}

#[test]
fn without_a_nats_server_the_url_and_the_remedy_are_told_soon() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let url = format!("nats://me:hidden@127.0.0.1:{port}");
    let target = target();
    let address = target.address().to_string();
    for words in [
        &["run", &address, "--agents", "2", "--no-report"][..],
        &["agent", "--name", "load-1"],
        &["collect", "run-1"],
    ] {
        let started = Instant::now();
        let mut command = Command::new(own_program("echo-bench"));
        let ended = run(command.args(words).args(["--nats", &url]), b"", LIMIT);
        let took = started.elapsed();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(took < Duration::from_secs(8), "{took:?}");
        assert!(said.contains(&format!("nats://me:***@127.0.0.1:{port}")), "{said}");
        assert!(said.contains("nats-server -js") && !said.contains("hidden"), "{said}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("nats://{}", silent.local_addr().expect("bound"));
    let mut command = Command::new(own_program("echo-bench"));
    let ended = run(command.args(["agent", "--nats", &url]), b"", LIMIT);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&url), "{said}");
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn two_agents_of_one_name_are_refused() {
    let test = "two_agents_of_one_name_are_refused";
    let Some(bus) = NatsServer::start(test) else { return };
    let _first = RunningAgent::start(&bus, "load-1", &[]);
    let url = bus.url();
    let mut command = Command::new(own_program("echo-bench"));
    let second = run(command.args(["agent", "--nats", &url, "--name", "load-1"]), b"", LIMIT);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("--name"), "{said}");
    // One that was killed is out of the way.
    let gone = RunningAgent::start(&bus, "load-2", &[]);
    gone.kill();
    drop(gone);
    RunningAgent::start(&bus, "load-2", &[]);
}

#[test]
fn agents_whose_clocks_differ_begin_together() {
    let test = "agents_whose_clocks_differ_begin_together";
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    if !std::path::Path::new(&library).is_file() {
        return tell_skipped(test, "libfaketime not found");
    }
    let Some(bus) = NatsServer::start(test) else { return };
    let mut command = Command::new(own_program("echo-bench"));
    command
        .env("LD_PRELOAD", &library)
        .env("FAKETIME", "+0.5")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let _ahead = RunningAgent::start_as(&mut command, &bus, "load-1", &[]);
    let _right = RunningAgent::start(&bus, "load-2", &[]);
    let target = target();
    let finished = start(&bus, "2", &target, &["--rate", "200", "-d", "1s"]).finish(LIMIT);
    assert_ended(&finished, 0);
    let report = finished.report();
    let offsets: Vec<i64> = parts(report)
        .iter()
        .map(|part| part["clock"]["offset_ns"].as_str().unwrap().parse().unwrap())
        .collect();
    let half = 250_000_000;
    assert!((half..3 * half).contains(&offsets[0]), "{offsets:?}");
    assert!(offsets[1].abs() < half, "{offsets:?}");
    // By their own clocks, uncorrected, they would have begun half a second apart, or have said so.
    let skew = report["parts"]["start_skew_ns"].as_i64().unwrap();
    assert!(skew < half, "{skew} ns, {offsets:?}");
    let late = parts(report).iter().map(|part| part["late_ns"].as_i64().unwrap_or(0)).max();
    assert!(late.unwrap_or(0) < half, "{}", report["parts"]);
}
