//! A server whose log can't be written serves all the same.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use echo_server::model::ModelKind;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, tell_skipped, wait};
use echo_test_support::running_server::each_model;
use rustix::process::{Pid, Signal, kill_process};

/// Verbose: each connection is logged.
fn command(model: ModelKind) -> Command {
    let mut command = Command::new(own_program("echo-server"));
    command.args(["127.0.0.1:0", "-vv", "--model", &model.to_string()]);
    command
}

/// Starts it, has clients come and go, and stops it, which must be graceful.
#[track_caller]
fn serves(mut command: Command, stderr: impl Into<Stdio>, lose: impl FnOnce(&mut Child)) {
    let mut server = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("the program can be started");
    let mut line = String::new();
    let mut stdout = BufReader::new(server.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("it says that it is ready");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    let address: SocketAddr =
        ready["addr"].as_str().expect("text").parse().expect("an address");
    lose(&mut server);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..150 {
                    Client::connect(address).exchange(b"x\n", b"ECHO: x\n");
                }
            });
        }
    });
    let mut stopped = || {
        let _ = kill_process(Pid::from_child(&server), Signal::TERM);
        wait(&mut server, PATIENCE)
    };
    let status = stopped();
    let _ = server.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{status:?}");
}

#[test]
fn a_reader_of_the_log_that_goes_away_ends_no_server() {
    each_model(|model| {
        serves(command(model), Stdio::piped(), |server| drop(server.stderr.take()));
    });
}

/// As with `2>&-`: the number of standard error is free when the server starts.
#[test]
fn a_server_without_standard_error_serves() {
    each_model(|model| {
        let mut closed = Command::new("sh");
        closed.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(own_program("echo-server"));
        closed.args(["127.0.0.1:0", "-vv", "--model", &model.to_string()]);
        serves(closed, Stdio::inherit(), |_| ());
    });
}

#[test]
fn a_full_file_system_below_the_log_ends_no_server() {
    let test = "a_full_file_system_below_the_log_ends_no_server";
    let folder = tempfile::tempdir().expect("room for a folder");
    let path = folder.path();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"])
        .arg(path)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        return tell_skipped(test, "no small file system can be mounted (root)");
    }
    let log = || File::create(path.join("log")).expect("it can be made");
    let outcome =
        std::panic::catch_unwind(|| each_model(|model| serves(command(model), log(), |_| ())));
    wait_until("the file system is unmounted", || {
        Command::new("umount").arg(path).output().is_ok_and(|output| output.status.success())
    });
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
