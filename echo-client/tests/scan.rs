//! `echo-client scan` as a user sees it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn prints_the_open_ports_in_order_and_counts_the_others() {
    let open = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut ports = [0, 1, 2].map(|place: usize| open[place].local_addr().unwrap().port());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    let list: Vec<String> = ports.iter().chain([&closed_port]).map(u16::to_string).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(["scan", "127.0.0.1", "--ports", &list.join(",")])
        .output()
        .unwrap();
    ports.sort_unstable();
    let expected = ports.map(|port| port.to_string()).join("\n") + "\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let counts = String::from_utf8(output.stderr).unwrap();
    assert_eq!(counts, "127.0.0.1: 3 open, 1 refused, 0 filtered\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_host_without_an_address_and_ports_that_are_none_are_told() {
    for (arguments, code, reason) in [
        (["no such host", "--ports=1"], 1, "looking up no such host"),
        (["127.0.0.1", "--ports=0"], 2, "invalid port list"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .arg("scan")
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
}

#[test]
fn an_address_of_the_newer_kind_is_no_host_with_a_port() {
    for host in ["::1", "[::1]"] {
        let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .args(["scan", host, "--ports=1", "--timeout=100ms"])
            .output()
            .unwrap();
        let counts = String::from_utf8(output.stderr).unwrap();
        assert!(counts.starts_with("::1: 0 open, "), "{counts}");
        assert_eq!(output.status.code(), Some(0));
    }
}

/// A listener that gives no answer, for its backlog is full, and what fills it.
fn silent() -> (TcpListener, Vec<TcpStream>) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&silent, 0).unwrap();
    let (target, mut held) = (silent.local_addr().unwrap(), Vec::new());
    while let Ok(stream) = TcpStream::connect_timeout(&target, Duration::from_secs(2)) {
        held.push(stream);
        assert!(held.len() < 100, "the backlog never filled");
    }
    (silent, held)
}

#[test]
fn an_interrupt_prints_what_was_found_and_says_that_it_is_not_all() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent, _held) = silent();
    let [open_port, silent_port] =
        [&open, &silent].map(|listener| listener.local_addr().unwrap().port());
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let client = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .args(["scan", "127.0.0.1", "--timeout", "1h", "--ports"])
            .arg(format!("{open_port},{silent_port}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The client hangs up when it knows that the port is open.
        open.accept().unwrap().0.read_to_end(&mut Vec::new()).unwrap();
        let id = client.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let output = client.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{open_port}\n"));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "127.0.0.1: 1 open, 0 refused, 0 filtered (interrupted: 1 of 2 ports tried)\n"
        );
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn no_terminal_obeys_a_name_that_an_error_names() {
    let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(["scan", "no\u{1b}[2J\u{202e}such host", "--ports=1"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(r"looking up no\x1b[2J\u{202e}such host"), "{errors}");
}
