//! System calls of the server that fail, injected by strace(1): refused accepts, interrupted
//! reads and writes, no more threads. The server reports it, and goes on once they succeed.

use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::running_server::{RunningServer, on_every_model_at_once};
use echo_test_support::syscall_faults::SyscallFaults;
use echo_test_support::turn::turn;
use rustix::process::Signal;

use crate::lines::numbered;

/// Calls by which a model receives and sends. Waiting is interrupted by signals below: where
/// strace detaches from a call that it lets fail, the call fails with an error of its own.
const TRANSFERS: &str = "recvfrom,sendto,recvmsg,sendmsg,readv,writev";

/// By `io_uring` the kernel accepts without a system call; `unaccepted.rs` covers it.
fn accepts_by_system_call(server: &RunningServer) -> bool {
    server.ready()["model"] != ModelKind::Uring.to_string()
}

/// Models that receive by `io_uring`. One of them is in builds with its feature only.
fn receives_by_ring(server: &RunningServer) -> bool {
    ["uring", "compio"].iter().any(|model| server.ready()["model"] == *model)
}

#[test]
fn accepts_that_fail_for_a_while_lose_no_client() {
    let test = "accepts_that_fail_for_a_while_lose_no_client";
    // Of the process, the system, the memory; of the peer; of nobody.
    let errors = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EINTR"];
    let _turn = turn();
    on_every_model_at_once(&[], |server| {
        if !accepts_by_system_call(server) {
            return;
        }
        for error in errors {
            let fault = format!("error={error}:when=1..2");
            let faults =
                SyscallFaults::inject_or_skip(test, server.processes(), "accept4", &fault);
            let Some(_faults) = faults else { return };
            let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.exchange(b"x\n", b"ECHO: x\n");
            }
        }
    });
}

#[test]
fn a_server_that_can_accept_nobody_neither_spins_nor_floods_its_log_and_recovers() {
    let test = "a_server_that_can_accept_nobody_neither_spins_nor_floods_its_log";
    let _turn = turn();
    on_every_model_at_once(&[], |server| {
        if !accepts_by_system_call(server) {
            return;
        }
        let mut before = server.connect();
        before.exchange(b"x\n", b"ECHO: x\n");
        let faults =
            SyscallFaults::inject_or_skip(test, server.processes(), "accept4", "error=EMFILE");
        let Some(faults) = faults else { return };
        let mut waiting = server.connect();
        waiting.send(b"x\n");
        let (started, cpu) = (Instant::now(), server.cpu_time());
        while started.elapsed() < Duration::from_secs(1) {
            // Who is connected is served all the same.
            before.exchange(b"x\n", b"ECHO: x\n");
            thread::sleep(Duration::from_millis(50));
        }
        let cpu = server.cpu_time().saturating_sub(cpu);
        // Includes the cost of being traced.
        assert!(cpu < Duration::from_millis(200), "{cpu:?} of CPU time in a second");
        drop(faults);
        waiting.expect(b"ECHO: x\n");
        let said = server.stop();
        assert!(said.lines().count() <= 5, "a flood in the log: {said}");
        assert!(said.contains("accept"), "no word about the cause: {said}");
    });
}

#[test]
fn interrupted_calls_lose_and_double_no_byte() {
    let test = "interrupted_calls_lose_and_double_no_byte";
    let lines = numbered("", 0..3000);
    let _turn = turn();
    // Small buffers: many calls, and most writes are partial.
    let flags = ["--read-buffer", "1K", "--send-buffer", "4K", "--recv-buffer", "4K"];
    on_every_model_at_once(&flags, |server| {
        let is_uring = receives_by_ring(server);
        let calls = if is_uring { "io_uring_enter" } else { TRANSFERS };
        let fault = "error=EINTR:when=1+3";
        let faults = SyscallFaults::inject_or_skip(test, server.processes(), calls, fault);
        let Some(faults) = faults else { return };
        let seen = server.connect().converse(&lines);
        assert_eq!(Text(&seen), Text(&numbered("ECHO: ", 0..3000)));
        if is_uring {
            // Where strace detaches from a call that waits, it fails with another error. The
            // others can't end under it: the handler of a signal sends, too.
            server.stop();
        }
        assert!(faults.end() > 0, "no call was interrupted");
    });
}

/// As of a kernel without memory for requests, or with completions that are to be taken first.
#[test]
fn a_ring_that_takes_no_requests_for_a_while_loses_no_byte_and_does_not_spin() {
    let test = "a_ring_that_takes_no_requests_for_a_while_loses_no_byte_and_does_not_spin";
    let _turn = turn();
    on_every_model_at_once(&["--workers=1"], |server| {
        if !receives_by_ring(server) {
            return;
        }
        let mut client = server.connect();
        client.exchange(b"before\n", b"ECHO: before\n");
        for error in ["EAGAIN", "EBUSY"] {
            let fault = format!("error={error}:when=1..20");
            let faults = SyscallFaults::inject_or_skip(
                test,
                server.processes(),
                "io_uring_enter",
                &fault,
            );
            let Some(_faults) = faults else { return };
            let cpu = server.cpu_time();
            let lines = numbered("", 0..50);
            client.exchange(&lines, &numbered("ECHO: ", 0..50));
            let mut other = server.connect();
            other.exchange(b"x\n", b"ECHO: x\n");
            let cpu = server.cpu_time().saturating_sub(cpu);
            // Includes the cost of being traced.
            assert!(cpu < Duration::from_millis(200), "{error}: {cpu:?} of CPU time");
        }
        // Where strace detaches from a call that waits, it fails with another error.
        server.stop();
    });
}

#[test]
fn a_storm_of_signals_loses_no_byte() {
    let lines = &numbered("", 0..20_000)[..];
    on_every_model_at_once(&["--send-buffer", "4K"], |server| {
        let mut client = server.connect();
        let server = &*server;
        thread::scope(|scope| {
            let talking = scope.spawn(move || client.converse(lines));
            while !talking.is_finished() {
                for signal in [Signal::USR1, Signal::WINCH, Signal::STOP, Signal::CONT] {
                    server.signal(signal);
                }
                thread::sleep(Duration::from_millis(1));
            }
            let seen = talking.join().expect("every byte arrives");
            assert_eq!(Text(&seen), Text(&numbered("ECHO: ", 0..20_000)));
        });
    });
}

#[test]
fn a_connection_for_which_no_thread_can_be_started_is_refused_in_words() {
    let test = "a_connection_for_which_no_thread_can_be_started_is_refused_in_words";
    let mut server = RunningServer::start(ModelKind::Threads, &[]);
    let mut before = server.connect();
    before.exchange(b"x\n", b"ECHO: x\n");
    let faults =
        SyscallFaults::inject_or_skip(test, server.processes(), "clone,clone3", "error=EAGAIN");
    let Some(faults) = faults else { return };
    for _ in 0..3 {
        assert_eq!(Text(&server.connect().read_to_end()), Text(b"ERROR: server full\n"));
        before.exchange(b"x\n", b"ECHO: x\n");
    }
    drop(faults);
    wait_until("a new client is served", || {
        let client = Client::try_connect(server.address());
        client.is_ok_and(|mut client| client.try_line(b"x\n") == b"ECHO: x\n")
    });
    server.signal(Signal::TERM);
    let exit = server.wait_exit(PATIENCE);
    assert!(exit.stderr.contains("can't start a thread"), "{exit:?}");
    assert_eq!(exit.code, Some(0), "{exit:?}");
}
