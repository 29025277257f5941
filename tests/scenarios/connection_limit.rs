//! `--max-conns`: a connection over the limit gets an error, and the others are unaffected.

use std::process::Command;
use std::time::Duration;

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_for};
use echo_test_support::program::{own_program, run};
use echo_test_support::promptness::{at_most, best_of_three, timed};
use echo_test_support::running_server::{RunningServer, on_every_model};

const LIMIT: usize = 3;
const FLAGS: [&str; 2] = ["--max-conns", "3"];

/// As many clients as allowed, each known to be served.
fn fill(server: &RunningServer) -> Vec<Client> {
    (0..LIMIT)
        .map(|_| {
            let mut client = server.connect();
            client.exchange(b"in\n", b"ECHO: in\n");
            client
        })
        .collect()
}

#[test]
fn one_too_many_is_told_and_the_others_keep_working() {
    on_every_model(&FLAGS, |server| {
        let mut served = fill(server);
        best_of_three("until one too many is told", || {
            let took = timed(|| {
                let told = String::from_utf8(server.connect().read_to_end()).expect("text");
                assert_eq!(told, "ERROR: server full\n");
            });
            at_most(took, Duration::from_millis(100))
        });
        for client in &mut served {
            client.exchange(b"still in\n", b"ECHO: still in\n");
        }
    });
}

#[test]
fn a_generator_that_gets_too_few_connections_says_what_is_missing() {
    on_every_model(&["--max-conns", "5"], |server| {
        let address = server.address().to_string();
        let run = [&address, "--conns=10", "--requests=100", "--warmup=0"];
        let finished = BenchProcess::start(&run).finish(PATIENCE);
        assert!(!matches!(finished.code, Some(0) | None), "{finished:#?}");
        let report = finished.report();
        assert_eq!(report["summary"]["connections"]["requested"], 10, "{report:#}");
        assert!(report["errors"].to_string().contains("server full"), "{report:#}");
        assert!(finished.stdout.contains("server full"), "{}", finished.stdout);
        // They may be refused before their first request, or after it.
        assert!(finished.stdout.contains("connections were lost"), "{}", finished.stdout);
    });
}

#[test]
fn a_client_of_a_full_server_shows_its_words_and_fails() {
    on_every_model(&FLAGS, |server| {
        let _served = fill(server);
        let mut client = Command::new(own_program("echo-client"));
        let output = run(client.arg(server.address().to_string()), b"hello\n", PATIENCE);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("ERROR: server full"), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    });
}

#[test]
fn a_place_can_be_used_again_after_a_close() {
    on_every_model(&FLAGS, |server| {
        let mut served = fill(server);
        for _ in 0..3 {
            drop(served.remove(0));
            // The server may not have noticed the close yet, and still refuses.
            let next = wait_for("a place becomes free", || {
                let mut client = server.connect();
                (client.try_line(b"next\n") == b"ECHO: next\n").then_some(client)
            });
            served.push(next);
        }
        for client in &mut served {
            client.exchange(b"all in\n", b"ECHO: all in\n");
        }
    });
}

#[test]
fn each_protocol_has_its_own_words_and_no_reset_destroys_them() {
    for (protocol, probe, reply, told) in [
        ("raw", &b"in"[..], &b"in"[..], &b""[..]),
        ("frame", b"\0\0\0\x01x", b"\0\0\0\x01x", b"\0\0\0\x12ERROR: server full"),
        ("resp", b"PING\r\n", b"+PONG\r\n", b"-ERR max number of clients reached\r\n"),
        (
            "http",
            b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 503 ",
        ),
    ] {
        let flags = ["--max-conns", "1", "--protocol", protocol];
        on_every_model(&flags, |server| {
            let mut served = server.connect();
            served.exchange(probe, reply);
            let mut refused = server.connect();
            refused.send(&vec![b'x'; 64 * 1024]);
            let seen = refused.read_to_end();
            assert!(seen.starts_with(told), "{protocol}: {}", seen.escape_ascii());
            assert_eq!(told.is_empty(), seen.is_empty(), "{protocol}: {}", seen.escape_ascii());
        });
    }
}
