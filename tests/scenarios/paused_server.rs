//! A server that is stopped and continued, killed, or ended while it starts.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, wait};
use echo_test_support::running_server::{
    RunningServer, each_model, each_model_at_once, on_every_model, on_every_model_at_once,
};
use rustix::process::{Pid, Signal, kill_process};

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

/// Before the handlers are set up the signal ends the process, after that the server.
#[test]
fn a_signal_during_the_start_ends_it_at_once_whenever_it_comes() {
    each_model_at_once(|model| {
        for delay_ms in 0..15 {
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
