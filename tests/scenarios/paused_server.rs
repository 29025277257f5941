//! A server that is stopped and continued, killed, or ended while it starts.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::kernel_sockets::connections_to;
use echo_test_support::program::{own_program, run, wait};
use echo_test_support::running_server::{
    RunningServer, each_model, each_model_at_once, on_every_model, on_every_model_at_once,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::lines::numbered;

const IN_JSON: [&str; 2] = ["--log-format", "json"];

#[test]
fn a_server_that_was_stopped_for_a_while_loses_no_byte() {
    let bytes: Vec<u8> = (0..8 << 20_u32).map(|n| (n >> 8 ^ n) as u8).collect();
    on_every_model_at_once(&["--protocol", "raw"], |server| {
        let mut client = server.connect();
        let server = &*server;
        let seen = thread::scope(|scope| {
            let talking = scope.spawn(|| client.converse(&bytes));
            for _ in 0..3 {
                server.signal(Signal::STOP);
                thread::sleep(Duration::from_millis(150));
                server.signal(Signal::CONT);
                thread::sleep(Duration::from_millis(20));
            }
            talking.join().expect("every byte comes back")
        });
        assert!(seen == bytes, "{} bytes of {}", seen.len(), bytes.len());
    });
}

/// Without a place in the backlog, a peer's SYN is dropped and sent again a second later.
#[test]
fn clients_that_find_the_backlog_full_are_served_once_the_server_goes_on() {
    on_every_model_at_once(&["--backlog", "4"], |server| {
        server.signal(Signal::STOP);
        let address = server.address();
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..20).map(|_| scope.spawn(move || Client::connect(address))).collect();
            thread::sleep(Duration::from_millis(50));
            assert!(clients.iter().any(|client| !client.is_finished()), "the backlog has room");
            server.signal(Signal::CONT);
            for client in clients {
                let mut client = client.join().expect("it connects in the end");
                client.exchange(b"x\n", b"ECHO: x\n");
            }
        });
    });
}

#[test]
fn clients_that_reset_before_they_are_accepted_leave_nothing_behind() {
    on_every_model(&IN_JSON, |server| {
        server.connect().exchange(b"first\n", b"ECHO: first\n");
        server.wait_until_unused();
        let before = server.descriptors();
        server.signal(Signal::STOP);
        for _ in 0..300 {
            let mut client = server.connect();
            client.send(b"half a li");
            client.reset();
        }
        server.signal(Signal::CONT);
        server.connect().exchange(b"next\n", b"ECHO: next\n");
        server.wait_until_unused();
        assert!(server.descriptors() <= before + 10, "descriptors stay open");
        let said = server.stop();
        let lines = said.lines().filter(|line| !line.contains("\"active\":")).count();
        assert!(lines <= 10, "each reset is in the log: {said}");
    });
}

#[test]
fn a_server_that_was_killed_can_be_started_again_at_once() {
    each_model(|model| {
        let mut server = RunningServer::start(model, &[]);
        let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.exchange(b"x\n", b"ECHO: x\n");
        }
        server.signal(Signal::KILL);
        assert_eq!(server.wait_exit(PATIENCE).code, None);
        if model == ModelKind::Uring {
            // The kernel ends what a killed ring has asked for, and closes its files, a moment later.
            wait_until("its port is free", || TcpListener::bind(server.address()).is_ok());
        }
        let mut next = RunningServer::start_at(&server.address().to_string(), model, &[]);
        next.connect().exchange(b"again\n", b"ECHO: again\n");
        drop(clients);
        next.stop();
    });
}

#[test]
fn a_client_waits_for_a_server_that_was_stopped_for_a_while() {
    let lines = numbered("", 0..2000);
    on_every_model_at_once(&[], |server| {
        let mut client = Command::new(own_program("echo-client"));
        client.arg(server.address().to_string()).arg("--timeout=15s");
        server.signal(Signal::STOP);
        wait_until("it is stopped", || server.is_stopped());
        let output = thread::scope(|scope| {
            let client = scope.spawn(|| run(&mut client, &lines, PATIENCE));
            thread::sleep(Duration::from_millis(500));
            assert!(!client.is_finished(), "nobody has answered");
            server.signal(Signal::CONT);
            client.join().expect("it ends")
        });
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(Text(&output.stdout), Text(&numbered("ECHO: ", 0..2000)));
    });
}

/// A SYN that finds no room is sent again after a second: that is time of the set-up, and of no
/// request.
#[test]
fn a_backlog_that_is_full_is_a_slow_connect_of_the_generator_and_no_latency() {
    let server = RunningServer::start(ModelKind::Epoll, &["--backlog=4"]);
    server.signal(Signal::STOP);
    wait_until("it is stopped", || server.is_stopped());
    let target = server.address().to_string();
    let run = BenchProcess::start(&[&target, "--conns=20", "--requests=200", "--warmup=0"]);
    // Accepted by the kernel, and not by the server.
    wait_until("the backlog is full", || connections_to(server.address()) > 4);
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::CONT);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let summary = &finished.report()["summary"];
    let longest = |clock: &serde_json::Value| clock["max_ns"].as_u64().expect("measured");
    let (connect, response) =
        (longest(&summary["set_up"]["connect"]), longest(&summary["latency"]["response"]));
    assert!(connect >= 900_000_000, "{:#}", summary["set_up"]);
    assert!(response < connect / 2, "{:#}", summary["latency"]);
}

/// Before the handlers are set up the signal ends the process, after that the server.
#[test]
fn a_signal_during_the_start_ends_it_at_once_whenever_it_comes() {
    each_model_at_once(|model| {
        // 210 starts of all models together.
        for delay_ms in (0..30).map(|half_ms| half_ms / 2) {
            let mut child = Command::new(own_program("echo-server"))
                .args(["127.0.0.1:0", "--model", &model.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program can be started");
            // The moment is under test.
            thread::sleep(Duration::from_millis(delay_ms));
            let started = Instant::now();
            let pid = Pid::from_child(&child);
            kill_process(pid, Signal::TERM).expect("the child has not been waited for");
            let Some(status) = wait(&mut child, PATIENCE) else {
                let _ = child.kill();
                panic!("still runs {:?} after a signal at {delay_ms} ms", started.elapsed());
            };
            let ended = std::os::unix::process::ExitStatusExt::signal(&status);
            let graceful = status.code() == Some(0) || ended == Some(Signal::TERM.as_raw());
            assert!(graceful, "{status} after a signal at {delay_ms} ms");
        }
    });
}
