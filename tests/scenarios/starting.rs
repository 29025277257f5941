//! Server startup: the ready line, or a clear error.

use std::net::TcpListener;
use std::process::Command;

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
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
    let (code, said) = refusal(&[&address]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(said.to_lowercase().contains("in use"), "{said}");
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
        (&["--busy-poll"], "--model epoll or uring"),
        (&["nowhere"], "nowhere"),
    ] {
        let (code, said) = refusal(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}
