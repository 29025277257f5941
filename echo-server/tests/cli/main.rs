//! The `echo-server` command as a user meets it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use echo_test_support::help::{faults_of_help, hidden_flags};

mod prefork;
mod service;

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_echo-server"))
}

fn started(args: &[&str]) -> (Child, String) {
    let mut child =
        command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn help() {
    let output = command().arg("--help").env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn help_of_the_balancer() {
    let output = command().args(["balance", "--help"]).env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_every_flag_with_its_default() {
    use clap::CommandFactory as _;
    let command = echo_server::cli::Cli::command();
    let faults = faults_of_help(command.clone());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let hidden = hidden_flags(command);
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_page_that_is_not_there_is_a_usage_error_and_a_host_may_be_called_man() {
    for (args, reason) in [
        (&["man", "nowhere"][..], "there is no subcommand `nowhere`"),
        (&["man:x"], "invalid port"),
        (&["nowhere"], "has no port"),
    ] {
        let output = command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(reason), "{args:?}: {told}");
    }
}

#[test]
fn the_ready_line_tells_where_and_what() {
    let (mut child, line) =
        started(&["0", "--model", "epoll", "--workers", "2", "-p", "frame"]);
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    terminate(&child);
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["model"], "epoll");
    assert_eq!(ready["protocol"], "frame");
    assert_eq!(ready["workers"], 2);
    assert_eq!(ready["pid"], child.id());
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    assert!(ready["addr"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_signal_ends_it_with_a_summary_and_success() {
    let (mut child, _) = started(&["0"]);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let told = stderr_of(&mut child);
    let summary = "echo-server: 0 connections, 0 refused, 0 messages, 0 bytes in, 0 bytes out, \
                   0 errors, 0 aborted\n";
    assert!(told.ends_with(summary), "{told}");
}

#[test]
fn one_of_a_kind_is_told_in_the_singular() {
    let (mut child, line) = started(&["0", "-p", "raw"]);
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut stream = TcpStream::connect(ready["addr"].as_str().unwrap()).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let told = stderr_of(&mut child);
    let summary = "echo-server: 1 connection, 0 refused, 1 message, 1 byte in, 1 byte out, \
                   0 errors, 0 aborted; mean response time ";
    assert!(told.contains(summary), "{told}");
}

#[test]
fn a_setting_that_is_lowered_is_said() {
    for (args, part) in [
        (&["0", "--max-conns", "99999999"][..], "limited to"),
        (&["balance", "0", "--backend", ":1", "--max-conns", "99999999"], "limited to"),
        (&["0", "--backlog", "2000000000"], "--backlog is lowered to"),
        (&["0", "--recv-buffer", "1GiB"], "--recv-buffer is lowered to"),
        (&["0", "--send-buffer", "1GiB"], "--send-buffer is lowered to"),
    ] {
        let (mut child, _) = started(args);
        terminate(&child);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let told = stderr_of(&mut child);
        let line = told.lines().find(|line| line.contains(part));
        let line = line.unwrap_or_else(|| panic!("{args:?}: {told}"));
        assert!(line.contains("WARN") && line.contains(" asked="), "{line}");
    }
    let (mut child, _) = started(&["0", "--max-conns", "10", "--backlog", "10"]);
    terminate(&child);
    assert!(child.wait().unwrap().success());
    assert!(!stderr_of(&mut child).contains("WARN"));
}

#[test]
fn quiet_is_quiet() {
    let (mut child, _) = started(&["0", "-q"]);
    terminate(&child);
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr_of(&mut child), "");
}

#[test]
fn json_logs_are_json_to_the_last_line() {
    let (mut child, _) = started(&["0", "--log-format", "json"]);
    terminate(&child);
    assert!(child.wait().unwrap().success());
    let told = stderr_of(&mut child);
    for line in told.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(told.lines().last().unwrap().contains("\"connections\":0"), "{told}");
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command().arg(&address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in [&*format!("binding {address}"), "in use", "port 0"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn what_can_t_be_meant_is_a_usage_error_that_names_the_flag() {
    for (args, flag) in [
        (vec!["--model", "magic"], "--model"),
        (vec!["--read-buffer", "0"], "--read-buffer"),
        (vec!["--idle-timeout", "soon"], "--idle-timeout"),
        (vec!["--workers", "0"], "--workers"),
        (vec!["nowhere"], "ADDRESS"),
        (vec!["balance", "--backend", ":1", "--check-interval", "0"], "--check-interval"),
        (vec!["balance", "--backend", ":1", "--connect-timeout", "0"], "--connect-timeout"),
    ] {
        let output = command().args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(flag), "{told}");
    }
}

#[test]
fn a_number_of_nothing_is_refused_in_plain_words() {
    for flag in ["--workers", "--max-conns", "--backlog"] {
        let output = command().args(["0", flag, "0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(flag) && told.contains("must be at least 1"), "{told}");
    }
}

#[test]
fn nobody_reading_the_ready_line_is_no_reason_to_end() {
    let mut child =
        command().arg("0").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // Its log tells that it has come past the ready line.
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("connections"), "{line}");
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_parent_that_is_gone_already_is_noticed() {
    // No process has the highest number that there can be.
    let output = command().args(["0", "--die-with-parent=2147483647"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

/// Runs the program with nowhere to print to: a full device, and a stdout that is closed. One
/// that serves all the same is stopped after a while.
fn without_stdout(arguments: &[&str]) -> [Output; 2] {
    let program = env!("CARGO_BIN_EXE_echo-server");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut on_full = Command::new(program);
    on_full.args(arguments).stdout(full);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" >&-", "sh", program]).args(arguments);
    [on_full, closed].map(|mut command| finished(command.stderr(Stdio::piped())))
}

/// What the program says until it ends. One that serves is stopped after a while.
fn finished(command: &mut Command) -> Output {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Fails only if it has ended.
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

#[test]
fn output_that_is_lost_is_an_error() {
    for arguments in
        [&["--help"][..], &["--version"], &["man"], &["0"], &["balance", "0", "--backend=:1"]]
    {
        for output in without_stdout(arguments) {
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(told.contains("stdout"), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn no_terminal_obeys_a_name_that_an_error_names() {
    let output = command()
        .args(["--tls-key", "k", "--tls-cert", "no\u{1b}[2J\u{202e}file"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(r"no\x1b[2J\u{202e}file"), "{errors}");
}

/// A server, and a balancer whose backend is not there.
const PROGRAMS: [&[&str]; 2] = [&["0"], &["balance", "0", "--backend=127.0.0.1:1"]];

#[test]
fn a_public_address_is_a_warning() {
    for program in [&[":0"][..], &["balance", ":0", "--backend=127.0.0.1:1"]] {
        let (mut child, _) = started(program);
        terminate(&child);
        assert!(child.wait().unwrap().success());
        let told = stderr_of(&mut child);
        let warned =
            told.lines().any(|line| line.contains("WARN") && line.contains("public address"));
        assert!(warned, "{told}");
    }
}

#[test]
fn a_balancer_without_descriptors_does_not_fill_its_log_and_recovers() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = format!("--backend={}", listener.local_addr().unwrap());
    // Ends each connection at once.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (mut child, line) = started(&["balance", "0", &backend, "--check-interval=50ms"]);
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let pid = Some(Pid::from_child(&child));
    let before = rustix::process::getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(5), maximum: before.maximum };
    let before = prlimit(pid, Resource::Nofile, few).unwrap();
    let address = ready["addr"].as_str().unwrap();
    let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    // It tries again ten times per second.
    std::thread::sleep(Duration::from_millis(800));
    prlimit(pid, Resource::Nofile, before).unwrap();
    for mut client in clients {
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    terminate(&child);
    assert!(child.wait().unwrap().success());
    let told = stderr_of(&mut child);
    let failures = told.lines().filter(|line| line.contains("accepting failed")).count();
    assert_eq!(failures, 1, "{told}");
    assert!(!told.contains("backend is down"), "{told}");
    let summary = told.lines().last().unwrap();
    assert!(summary.starts_with("echo-server: 20 connections, 0 unserved"), "{summary}");
}

#[test]
fn a_balancer_whose_backends_are_all_down_does_not_fill_its_log() {
    const CLIENTS: usize = 300;
    let (mut child, line) = started(PROGRAMS[1]);
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = ready["addr"].as_str().unwrap();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let ended = client.read(&mut [0]).unwrap_err();
        assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    }
    terminate(&child);
    assert!(child.wait().unwrap().success());
    let told = stderr_of(&mut child);
    let unreached = told.lines().filter(|line| line.contains("no backend reachable")).count();
    assert!((1..=10).contains(&unreached), "{unreached} of {CLIENTS}: {told}");
    assert!(told.lines().count() <= 20, "{told}");
    let summary = told.lines().last().unwrap();
    let counted = format!("echo-server: 0 connections, {CLIENTS} unserved");
    assert!(summary.starts_with(&counted), "{summary}");
}
