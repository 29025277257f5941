//! A server that has fewer descriptors than it counts on, because it has inherited some: its
//! accepts fail before `--max-conns` is reached.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use echo_net::fd_limit;
use echo_server::model::ModelKind;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, tell_skipped, third_party_or_skip};
use echo_test_support::promptness::{at_most, best_of_three};
use echo_test_support::running_server::{RunningServer, each_model, each_model_at_once};
use echo_test_support::turn::turn;

/// Descriptors that the server inherits, and all that it may have.
const INHERITED: usize = 100;
const LIMIT: usize = 164;

/// More connections than it has descriptors for, and fewer than it would refuse.
const CLIENTS: usize = 120;

/// Those that wait behind them, for which the backlog has room.
const PENDING: usize = 3000;

fn connect(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the backlog has room");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

/// Sends a line and half-closes.
fn ask(mut stream: &TcpStream) {
    stream.write_all(b"x\n").expect("it is established");
    stream.shutdown(Shutdown::Write).expect("it is open");
}

#[track_caller]
fn assert_answered(mut stream: &TcpStream) {
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("no reset");
    assert_eq!(reply, b"ECHO: x\n");
}

/// A server whose accepts fail, and its clients; `None`, reported as skipped, where it can't be
/// made.
fn starved(test: &str, model: ModelKind) -> Option<(RunningServer, Vec<TcpStream>)> {
    let mut command = third_party_or_skip(test, "prlimit")?;
    let inherited = (20..20 + INHERITED).map(|number| format!("{number}</dev/null"));
    let inherit = format!("exec {}; exec \"$@\"", inherited.collect::<Vec<_>>().join(" "));
    command.arg(format!("--nofile={LIMIT}:{LIMIT}"));
    command.args(["bash", "-c", &inherit, "bash"]).arg(own_program("echo-server")).arg("0");
    let server = RunningServer::start_as(&mut command, model, &["--workers", "2"]);
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(&server)).collect();
    wait_until("it runs out of descriptors", || {
        server.said_so_far().contains("accepting a connection failed")
    });
    Some((server, clients))
}

#[test]
fn accepts_that_fail_for_lack_of_descriptors_lose_no_client() {
    let test = "accepts_that_fail_for_lack_of_descriptors_lose_no_client";
    each_model_at_once(|model| {
        let Some((mut server, clients)) = starved(test, model) else { return };
        let (begin, used) = (Instant::now(), server.cpu_time());
        while begin.elapsed() < Duration::from_secs(1) {
            assert!(server.is_running());
            std::thread::sleep(Duration::from_millis(50));
        }
        let used = server.cpu_time().saturating_sub(used);
        assert!(used * 20 < begin.elapsed(), "it used the CPU for {used:?} to wait");
        let failures = server.said_so_far().matches("accepting a connection failed").count();
        assert!(failures <= 2, "{failures} lines: {}", server.said_so_far());
        // Each that ends makes room for one that waits.
        clients.iter().for_each(ask);
        clients.iter().for_each(assert_answered);
        server.stop();
    });
}

/// How long it takes to serve all that wait once there are descriptors again.
fn relief(server: &RunningServer, clients: Vec<TcpStream>) -> Duration {
    let pending: Vec<_> = (0..PENDING).map(|_| connect(server)).collect();
    pending.iter().for_each(ask);
    let begin = Instant::now();
    drop(clients);
    pending.iter().for_each(assert_answered);
    begin.elapsed()
}

fn thousands_are_served_within(test: &str, most: Duration) {
    if fd_limit::raise() < (PENDING + CLIENTS + 200) as u64 {
        return tell_skipped(test, "the open files limit is too low");
    }
    let _turn = turn();
    each_model(|model| {
        best_of_three(format_args!("{model}: {PENDING} pending connections"), || {
            let Some((mut server, clients)) = starved(test, model) else { return Ok(()) };
            let taken = relief(&server, clients);
            println!("{model}: {PENDING} were served within {taken:?}");
            server.stop();
            at_most(taken, most)
        });
    });
}

/// A pause of 100 ms for each handful of descriptors would make it 7 s.
#[test]
fn thousands_that_wait_for_a_descriptor_are_served_at_once_when_some_are_free() {
    let test = "thousands_that_wait_for_a_descriptor_are_served_at_once_when_some_are_free";
    thousands_are_served_within(test, Duration::from_secs(3));
}

#[test]
#[ignore = "needs a quiet machine: cargo test --release --test scenarios unaccepted -- --ignored"]
fn thousands_that_wait_for_a_descriptor_are_served_within_a_second() {
    let test = "thousands_that_wait_for_a_descriptor_are_served_within_a_second";
    thousands_are_served_within(test, Duration::from_secs(1));
}
