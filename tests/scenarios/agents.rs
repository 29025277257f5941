//! Load from several agents over NATS: one report of all, whatever becomes of an agent, of the
//! coordinator and of the NATS server, and whatever else is sent over the bus; on the loopback and
//! from machines of their own.

mod bus;
mod credentials;
mod jwt;
mod server;
mod site;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use echo_test_support::bench_process::Finished;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{faketime_or_skip, own_program, run};
use rustix::process::Signal;
use serde_json::Value;

use bus::RunningAgent;
use site::{Site, on_site};

const LIMIT: Duration = Duration::from_mins(1);

/// Requests per second and seconds of the run whose counts are compared: as a release build on two
/// cores carries out, and less for a debug build beside other tests.
const LOAD: (u64, u64) = if cfg!(debug_assertions) { (2_000, 2) } else { (40_000, 10) };

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
    on_site("agents_share_a_plan_and_their_counts_add_up", |site| {
        let agents = site.agents(4);
        let (rate, seconds) = LOAD;
        let flags = [format!("--rate={rate}"), format!("--duration={seconds}s")];
        let finished = site.start(4, &flags.each_ref().map(String::as_str)).finish(LIMIT);
        assert_ended(&finished, 0);
        let report = finished.report();
        assert_eq!(finished.requests("scheduled"), rate * seconds);
        assert_eq!(finished.requests("ok"), rate * seconds);
        let names: Vec<&str> =
            parts(report).iter().map(|part| part["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["load-1", "load-2", "load-3", "load-4"]);
        let ok = |part: &Value| part["requests"]["ok"].as_u64().unwrap();
        let sum: u64 = parts(report).iter().map(ok).sum();
        assert_eq!(sum, rate * seconds, "{}", report["parts"]);
        for part in parts(report) {
            let error = part["clock"]["error_ns"].as_u64();
            assert!(error.is_some(), "the clock of {} was not measured", part["name"]);
        }
        assert!(report["parts"]["start_skew_ns"].is_u64(), "{}", report["parts"]);
        println!("{}", finished.stdout);
        // They are ready for the next, and leave in order.
        let again = site.start(2, &["-n", "100"]).finish(LIMIT);
        assert_ended(&again, 0);
        assert_eq!(again.requests("ok"), 100);
        for agent in agents {
            assert_eq!(agent.stop(), Some(143));
        }
        site.target.signal(Signal::TERM);
        let counted = site.target.wait_exit(PATIENCE).summary();
        assert_eq!(counted["messages"], sum + 100, "the server's own count: {counted}");
    });
}

#[test]
fn an_agent_that_is_killed_is_marked_or_aborts_the_run() {
    on_site("an_agent_that_is_killed_is_marked_or_aborts_the_run", |site| {
        for (on_loss, length) in [("mark", "3s"), ("abort", "60s")] {
            let agents = site.agents(4);
            let flags = ["--rate", "400", "-d", length, "--on-loss", on_loss];
            let mut run = site.start(4, &flags);
            run.wait_until_measuring();
            agents[1].kill();
            let finished = run.finish(LIMIT);
            assert_ended(&finished, 1);
            assert!(finished.stderr.contains("load-2"), "{}", finished.stderr);
            let report = finished.report();
            assert_eq!(parts(report).len(), 3);
            let missing = &report["parts"]["missing"][0];
            assert_eq!(missing["number"], 2, "{}", report["parts"]);
            let aborted = finished.stderr.contains("aborted");
            assert_eq!(aborted, on_loss == "abort", "{}", finished.stderr);
        }
    });
}

#[test]
fn a_run_whose_coordinator_was_killed_is_collected() {
    on_site("a_run_whose_coordinator_was_killed_is_collected", |site| {
        let agents = site.agents(4);
        let mut run = site.start(4, &["--rate", "400", "-d", "2s"]);
        run.wait_until_measuring();
        run.signal(Signal::KILL);
        let killed = run.finish(LIMIT);
        let name = killed.stderr.split("run ").nth(1).and_then(|rest| rest.split(';').next());
        let name = name.unwrap_or_else(|| panic!("no name of the run: {}", killed.stderr));
        for agent in &agents {
            agent.wait_until_said("is done");
        }
        let collected = site.collect(name);
        let said = String::from_utf8_lossy(&collected.stderr);
        assert!(collected.status.success(), "{said}");
        let report: Value = serde_json::from_slice(&collected.stdout).expect("a report");
        assert_eq!(parts(&report).len(), 4);
        assert_eq!(report["summary"]["requests"]["ok"], 800);
        let unknown = site.collect("nothing");
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(!unknown.status.success() && said.contains("run nothing"), "{said}");
    });
}

#[test]
fn an_agent_refuses_what_it_should_not_obey_and_stays() {
    let test = "an_agent_refuses_what_it_should_not_obey_and_stays";
    let Some(site) = Site::on_loopback(test) else { return };
    let mut agent = site.agent(1);
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
        site.bus.publish("echobench.agent.load-1", message);
        agent.wait_until_said(said);
    }
    assert!(agent.is_running());
    let finished = site.start(1, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 50);
    assert!(agent.has_said("is done"));
}

#[test]
fn an_agent_loads_permitted_addresses_only_and_runs_nothing_but_plans() {
    let test = "an_agent_loads_permitted_addresses_only_and_runs_nothing_but_plans";
    let Some(site) = Site::on_loopback(test) else { return };
    let _agent = RunningAgent::start(&site.bus.url(), "load-1", &["--allow", "192.0.2.0/24"]);
    let finished = site.start(1, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 1);
    for part in ["load-1", "127.0.0.1", "192.0.2.0/24", "--allow"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    let file = tempfile::NamedTempFile::new().expect("room for a file");
    std::fs::write(file.path(), "hello\n").expect("room for a file");
    let path = file.path().display().to_string();
    let finished = site.start(1, &["--message-file", &path]).finish(LIMIT);
    assert_ended(&finished, 2);
    assert!(finished.stderr.contains("--message-file"), "{}", finished.stderr);
}

#[test]
fn too_few_agents_are_named_unless_fewer_are_enough() {
    let test = "too_few_agents_are_named_unless_fewer_are_enough";
    let Some(site) = Site::on_loopback(test) else { return };
    let _agents = site.agents(1);
    let finished = site.start(2, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 1);
    assert!(finished.stderr.contains("--agents 2"), "{}", finished.stderr);
    let finished = site.start(2, &["-n", "50", "--min-agents", "1"]).finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 50);
}

#[test]
fn an_agent_of_another_build_is_left_out_by_name() {
    let Some(site) = Site::on_loopback("an_agent_of_another_build_is_left_out_by_name") else {
        return;
    };
    let _agent = site.agent(1);
    let build = format!("{} (elsewhere)", env!("CARGO_PKG_VERSION"));
    let presence = serde_json::json!({
        "schema": "echo-bench.fleet/v1", "agent": "other", "version": build, "ticket": "t",
        "run": null, "cores": 1,
    });
    site.bus.pretend("other", &presence.to_string());
    let finished = site.start(2, &["-n", "50"]).finish(LIMIT);
    assert_ended(&finished, 1);
    for part in ["agent other is left out", &build, "1 idle agents", "the same build"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
}

#[test]
fn an_interrupted_run_reports_what_was_measured() {
    let test = "an_interrupted_run_reports_what_was_measured";
    let Some(site) = Site::on_loopback(test) else { return };
    let _agents = site.agents(2);
    let mut run = site.start(2, &["--rate", "200", "-d", "60s"]);
    run.wait_until_measuring();
    run.signal(Signal::INT);
    let finished = run.finish(LIMIT);
    assert_ended(&finished, 130);
    assert_eq!(parts(finished.report()).len(), 2);
    assert!(finished.requests("ok") > 0);
}

#[test]
fn a_nats_server_that_is_restarted_loses_nothing() {
    on_site("a_nats_server_that_is_restarted_loses_nothing", |site| {
        let _agents = site.agents(4);
        let mut run = site.start(4, &["--rate", "400", "-d", "4s"]);
        run.wait_until_measuring();
        site.restart_bus();
        let finished = run.finish(LIMIT);
        assert_ended(&finished, 0);
        assert_eq!(finished.requests("ok"), 1600);
    });
}

#[test]
fn without_a_nats_server_the_url_and_the_remedy_are_told_soon() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let url = format!("nats://me:hidden@127.0.0.1:{port}");
    for words in [
        &["run", "127.0.0.1:1", "--agents", "2", "--no-report"][..],
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
    let Some(site) = Site::on_loopback(test) else { return };
    let _first = site.agent(1);
    let url = site.bus.url();
    let mut command = Command::new(own_program("echo-bench"));
    let second = run(command.args(["agent", "--nats", &url, "--name", "load-1"]), b"", LIMIT);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("--name"), "{said}");
    // One that was killed is out of the way.
    let gone = site.agent(2);
    gone.kill();
    drop(gone);
    site.agent(2);
}

#[test]
fn agents_whose_clocks_differ_begin_together() {
    const APART_MS: i64 = 500;
    let test = "agents_whose_clocks_differ_begin_together";
    let Some(library) = faketime_or_skip(test) else { return };
    on_site(test, |site| {
        let start = |number: u8| {
            let mut command = Command::new(own_program("echo-bench"));
            command
                .env("LD_PRELOAD", &library)
                .env("FAKETIME", format!("+{}.{}", (number - 1) / 2, (number - 1) % 2 * 5))
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            site.agent_as(&mut command, number)
        };
        let _agents: Vec<RunningAgent> = (1..=4).map(start).collect();
        let begin_apart = || {
            let finished = site.start(4, &["--rate", "400", "-d", "1s"]).finish(LIMIT);
            assert_ended(&finished, 0);
            let report = finished.report();
            let offset = |part: &Value| -> i64 {
                part["clock"]["offset_ns"].as_str().unwrap().parse().unwrap()
            };
            for (number, part) in (0..).zip(parts(report)) {
                let off = offset(part) / 1_000_000 - number * APART_MS;
                assert!(off.abs() < APART_MS / 2, "{}", report["parts"]);
            }
            // By their own clocks, uncorrected, they would have begun as far apart.
            report["parts"]["start_skew_ns"].as_u64().unwrap()
        };
        // A busy machine may keep one of them waiting for its CPU.
        let mut seen = Vec::new();
        while seen.len() < 8 && seen.last().is_none_or(|&skew| skew >= 5_000_000) {
            seen.push(begin_apart());
        }
        println!("start skew in ns: {seen:?}");
        assert!(seen.last() < Some(&5_000_000), "start skew in ns: {seen:?}");
    });
}
