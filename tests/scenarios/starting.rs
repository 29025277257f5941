//! Server startup: the ready line, or a clear error.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, tell_skipped};
use echo_test_support::promptness::{at_most, best_of_three};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};

#[test]
fn the_ready_line_says_where_and_what_the_server_is() {
    on_every_model(&["--protocol", "frame"], |server| {
        let ready = server.ready();
        assert_eq!(ready["ready"], true);
        assert_eq!(ready["protocol"], "frame");
        assert_eq!(ready["pid"], server.pid());
        assert!(ready["model"].is_string() && ready["version"].is_string(), "{ready}");
        assert_ne!(server.address().port(), 0);
    });
}

#[test]
fn the_model_is_the_one_that_was_asked_for() {
    each_model(|model| {
        let server = RunningServer::start(model, &[]);
        assert_eq!(server.ready()["model"], model.to_string());
        assert_eq!(server.ready()["busy_poll"], false);
    });
}

/// The exit code and standard error.
fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(Command::new(own_program("echo-server")).args(arguments), b"", PATIENCE);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is ready");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_port_in_use_is_named_and_the_code_is_1() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = holder.local_addr().expect("bound").to_string();
    best_of_three("until a port in use is told", || {
        let begin = Instant::now();
        let (code, said) = refusal(&[&address]);
        let took = begin.elapsed();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&address), "{said}");
        assert!(said.to_lowercase().contains("in use"), "{said}");
        at_most(took, Duration::from_secs(1))
    });
}

#[test]
fn an_address_of_another_machine_is_named_with_the_reason_and_the_code_is_1() {
    // Of the network for documentation (RFC 5737).
    let (code, said) = refusal(&["192.0.2.1:0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("binding 192.0.2.1:0"), "{said}");
    assert!(said.contains("no interface of this machine has that address"), "{said}");
}

#[test]
fn a_privileged_port_is_named_with_the_reason_and_the_code_is_1() {
    let test = "a_privileged_port_is_named_with_the_reason_and_the_code_is_1";
    let lowest = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if lowest.is_ok_and(|port| port.trim().parse::<u16>().is_ok_and(|port| port <= 80)) {
        return tell_skipped(test, "port 80 needs no privileges here");
    }
    // Root of a user namespace has none over the network outside.
    let mut command = Command::new("unshare");
    command.arg("--map-root-user");
    if !command.arg("true").output().is_ok_and(|output| output.status.success()) {
        return tell_skipped(test, "no user namespace can be made (unshare)");
    }
    let mut command = Command::new("unshare");
    command.arg("--map-root-user").arg(own_program("echo-server")).arg("127.0.0.1:80");
    let output = run(&mut command, b"", PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("binding 127.0.0.1:80"), "{said}");
    assert!(said.contains("ports below 1024 need privileges"), "{said}");
}

#[test]
fn flags_that_mean_nothing_are_named_and_the_code_is_2() {
    for (arguments, named) in [
        (&["--model", "fork"][..], "threads"),
        (&["--protocol", "morse"], "frame"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--workers", "0"], "--workers"),
        (&["--max-message", "many"], "--max-message"),
        (&["--idle-timeout", "soon"], "--idle-timeout"),
        (&["--busy-poll", "--model", "tokio"], "--model epoll, poll, uring or prefork"),
        (&["nowhere"], "nowhere"),
    ] {
        let (code, said) = refusal(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}
