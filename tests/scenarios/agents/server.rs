//! An agent on the machine of the server: what it says of the server's cost, the server that it
//! starts, and when it lets that go.

use std::process::Command;
use std::time::Duration;

use echo_net::process_tree::descendants;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, run};
use rustix::process::Signal;
use serde_json::Value;

use super::bus::{NatsServer, RunningAgent};
use super::site::Site;
use super::{LIMIT, assert_ended, parts};

/// How long a server may be kept after its load.
const KEPT: Duration = Duration::from_secs(30);

const SERVER: &[&str] = &["--server-agent", "db-1"];

/// A run of so many agents against a server that agent db-1 starts.
fn start_both(bus: &NatsServer, agents: &str, flags: &[&str]) -> BenchProcess {
    let url = bus.url();
    let common = ["run", "--nats", &url, "--agents", agents, "-c", "8", "--seed", "7"];
    BenchProcess::start(&[&common[..], SERVER, &["-w", "200ms"], flags].concat())
}

/// Both sides' cost is there, over the window and in each interval.
#[track_caller]
fn assert_costs(report: &Value) {
    let cpu = &report["summary"]["cpu"];
    for name in ["client_us_per_message", "server_us_per_message", "client_busy", "server_busy"]
    {
        assert!(cpu[name].as_f64().is_some_and(|cost| cost > 0.0), "{name}: {cpu}");
    }
    for name in ["server_context_switches", "server_peak_rss_bytes"] {
        assert!(cpu[name].as_u64().is_some_and(|count| count > 0), "{name}: {cpu}");
    }
    let intervals = report["intervals"].as_array().expect("intervals");
    let with_replies = |interval: &&Value| interval["ok"].as_u64().is_some_and(|ok| ok > 0);
    assert!(intervals.iter().any(|interval| with_replies(&interval)), "{report}");
    // Of one at whose ends a busy machine had nobody look it is null.
    let has_cost = |interval: &Value| interval["server_us_per_message"].is_number();
    assert!(intervals.iter().filter(with_replies).any(has_cost), "{report}");
    let server = &report["parts"]["server"];
    assert_eq!(server["agent"], "db-1", "{server}");
    assert_eq!(server["failure"], Value::Null, "{server}");
    assert!(server["environment"]["cores"].is_u64(), "{server}");
    assert!(server["surroundings"]["tcp"]["retransmits"].is_u64(), "{server}");
}

#[track_caller]
fn assert_stopped(agent: &RunningAgent) {
    wait_until("the agent has no server any more", || descendants(agent.pid()).is_empty());
}

#[test]
fn an_agent_beside_the_server_says_what_the_server_costs() {
    let test = "an_agent_beside_the_server_says_what_the_server_costs";
    let Some(site) = Site::on_loopback(test) else { return };
    let bus = &site.bus;
    let (_agents, target) = (site.agents(2), &site.target);
    let beside = RunningAgent::start(&bus.url(), "db-1", &[]);
    let pid = target.pid().to_string();
    for flags in [&[][..], &["--server-pid", &pid]] {
        let flags =
            [SERVER, &["--rate", "600", "-d", "2s", "--interval", "500ms"], flags].concat();
        let finished = site.start(2, &flags).finish(LIMIT);
        assert_ended(&finished, 0);
        let report = finished.report();
        assert_eq!(finished.requests("ok"), 1200);
        assert_costs(report);
        assert_eq!(parts(report).len(), 2);
        assert_eq!(report["server"]["pid"], target.pid());
        assert_eq!(report["plan"]["target"]["kind"], "address");
        assert!(finished.stdout.contains("of agent db-1"), "{}", finished.stdout);
    }
    assert!(beside.has_said("looks at the server"));
}

#[test]
fn an_agent_starts_the_server_of_the_plan_and_stops_it() {
    let test = "an_agent_starts_the_server_of_the_plan_and_stops_it";
    let Some(site) = Site::on_loopback(test) else { return };
    let bus = &site.bus;
    let _agents = site.agents(2);
    let beside = RunningAgent::start(&bus.url(), "db-1", &[]);
    let flags = ["--model", "epoll", "--server-workers", "1", "--rate", "600", "-d", "1s"];
    let finished = start_both(bus, "2", &flags).finish(LIMIT);
    assert_ended(&finished, 0);
    let report = finished.report();
    assert_eq!(finished.requests("ok"), 600);
    assert_costs(report);
    let target = &report["plan"]["target"];
    assert_eq!(target["kind"], "embedded", "{target}");
    let words = target["server"].to_string();
    assert!(words.contains("epoll") && words.contains("--workers"), "{words}");
    // Of the warm-up, too: it is all that the server has seen.
    let messages = report["summary"]["server_side"]["messages"].as_u64();
    assert!(messages.is_some_and(|count| count >= 600), "{}", report["summary"]["server_side"]);
    assert_stopped(&beside);
    // Ctrl-C ends it as well, and what was measured is there.
    let mut run = start_both(bus, "2", &["--rate", "200", "-d", "60s"]);
    run.wait_until_measuring();
    run.signal(Signal::INT);
    let finished = run.finish(LIMIT);
    assert_ended(&finished, 130);
    assert_costs(finished.report());
    assert_stopped(&beside);
}

#[test]
fn a_started_server_ends_with_the_load_of_a_coordinator_that_was_killed() {
    let test = "a_started_server_ends_with_the_load_of_a_coordinator_that_was_killed";
    let Some(site) = Site::on_loopback(test) else { return };
    let bus = &site.bus;
    let agents = site.agents(2);
    let beside = RunningAgent::start(&bus.url(), "db-1", &[]);
    let flags = ["--rate", "200", "-d", "2s", "--timeout", "1s", "--drain", "100ms"];
    let mut run = start_both(bus, "2", &flags);
    run.wait_until_measuring();
    run.signal(Signal::KILL);
    let killed = run.finish(LIMIT);
    let name = killed.stderr.split("run ").nth(1).and_then(|rest| rest.split(';').next());
    let name = name.unwrap_or_else(|| panic!("no name of the run: {}", killed.stderr));
    for agent in &agents {
        agent.wait_until_said("is done");
    }
    // Not at once: an agent may have begun late, and a coordinator may only be slow.
    beside.wait_longer_until_said("is done", KEPT + PATIENCE);
    assert_stopped(&beside);
    let mut collect = Command::new(own_program("echo-bench"));
    let collected = run_for(collect.args(["collect", name, "--nats", &bus.url()]));
    assert_eq!(collected.0, Some(0), "{}", collected.2);
    let report: Value = serde_json::from_str(&collected.1).expect("a report");
    assert_eq!(report["summary"]["requests"]["ok"], 400);
    assert_costs(&report);
}

fn run_for(command: &mut Command) -> (Option<i32>, String, String) {
    let ended = run(command, b"", Duration::from_mins(3));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[test]
fn an_agent_serves_only_what_it_may_and_what_it_finds() {
    let test = "an_agent_serves_only_what_it_may_and_what_it_finds";
    let Some(site) = Site::on_loopback(test) else { return };
    let bus = &site.bus;
    let _agents = site.agents(1);
    let _strict = RunningAgent::start(&bus.url(), "strict", &["--allow", "192.0.2.0/24"]);
    let _beside = RunningAgent::start(&bus.url(), "db-1", &[]);
    let _wrong = RunningAgent::start(&bus.url(), "wrong", &["--advertise", "10.255.255.254"]);
    let url = bus.url();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = silent.local_addr().expect("bound").to_string();
    drop(silent);
    for (flags, code, said) in [
        (&["--server-agent", "strict"][..], 1, "--allow"),
        (&["--server-agent", "wrong"], 1, "10.255.255.254"),
        (&["--server-agent", "db-1", "--target", &nobody], 1, "--server-pid"),
        (&["--server-agent", "absent"], 1, "--name absent"),
        (&["--server-agent", "db-1", "--server-metrics", "127.0.0.1:0"], 2, "--server-metrics"),
        (&["--server-agent", "db-1", "--exec", "true"], 2, "--exec"),
        (&["--server-agent", "db-1", "--tls"], 2, "--tls"),
        (&["--server-agent", "db-1", "--transport", "unix"], 2, "--transport"),
        (&["--target", &nobody, "--server-pid", "1"], 2, "--server-agent"),
        (&["--model", "epoll"], 2, "--server-agent"),
    ] {
        let common = ["run", "--nats", &url, "--agents", "1", "-n", "10", "--no-report", "-q"];
        let mut command = Command::new(own_program("echo-bench"));
        let ended = run_for(command.args(common).args(flags));
        assert_eq!(ended.0, Some(code), "{flags:?}: {}", ended.2);
        assert!(ended.2.contains(said), "{flags:?}: {}", ended.2);
    }
}

#[test]
fn a_sweep_over_agents_has_the_cost_of_both_sides() {
    let test = "a_sweep_over_agents_has_the_cost_of_both_sides";
    let Some(site) = Site::on_loopback(test) else { return };
    let bus = &site.bus;
    let _agents = site.agents(2);
    let beside = RunningAgent::start(&bus.url(), "db-1", &[]);
    let (url, folder) = (bus.url(), tempfile::tempdir().expect("room for a folder"));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (runs, out) = (path("runs"), path("sweep.json"));
    let line = [
        &["sweep", "--nats", &url, "--agents", "2"][..],
        SERVER,
        &["--model", "epoll,threads", "-c", "8", "-d", "1s", "-w", "100ms", "--repeat", "1"],
        &["--dir", &runs, "-o", &out],
    ];
    let mut command = Command::new(own_program("echo-bench"));
    let ended = run_for(command.args(line.concat()));
    assert_eq!(ended.0, Some(0), "{}", ended.2);
    assert!(ended.2.contains("2 cells"), "{}", ended.2);
    let sweep = std::fs::read_to_string(&out).expect("a sweep");
    let sweep: Value = serde_json::from_str(&sweep).expect("a sweep");
    let cells = sweep["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 2);
    for (cell, model) in cells.iter().zip(["epoll", "threads"]) {
        let report = &cell["runs"][0];
        assert_costs(report);
        assert_eq!(parts(report).len(), 2);
        assert!(report["plan"]["target"]["server"].to_string().contains(model));
    }
    assert_stopped(&beside);
    // What is stored names no password.
    let secret = url.replace("nats://", "nats://me:hidden@");
    let mut command = Command::new(own_program("echo-bench"));
    let refused = run_for(command.args(["sweep", "--nats", &secret, "--agents", "1,2"]));
    assert_eq!(refused.0, Some(2), "{}", refused.2);
    assert!(
        refused.2.contains("--nats-creds") && !refused.2.contains("hidden"),
        "{}",
        refused.2
    );
}
