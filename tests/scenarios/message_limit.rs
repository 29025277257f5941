//! Messages at and over the limit: the error must be readable, so the connection must be closed
//! gracefully and never reset.

use std::time::Duration;

use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::wait_until;
use echo_test_support::kernel_sockets::{wait_until_closed_by_server, wait_until_read};
use echo_test_support::promptness::{at_most, best_of_three, timed};
use echo_test_support::running_server::on_every_model;

use crate::lines::numbered;

const DEFAULT_LIMIT: usize = 65_536;
const TOO_LONG: &[u8] = b"ERROR: line too long (limit 65536 bytes)\n";

fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length];
    line.push(b'\n');
    line
}

#[test]
fn a_line_of_exactly_the_limit_is_echoed() {
    let reply = [b"ECHO: ", &line(DEFAULT_LIMIT)[..]].concat();
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.exchange(&line(DEFAULT_LIMIT), &reply);
        let with_carriage_return = [&vec![b'x'; DEFAULT_LIMIT][..], b"\r\n"].concat();
        client.exchange(&with_carriage_return, &reply);
        client.exchange(b"more\n", b"ECHO: more\n");
    });
}

#[test]
fn one_byte_over_the_limit_gets_the_error_and_then_the_end() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.exchange(b"before\n", b"ECHO: before\n");
        client.send(&line(DEFAULT_LIMIT + 1));
        assert_eq!(Text(&client.read_to_end()), Text(TOO_LONG));
    });
}

#[test]
fn the_error_outlives_megabytes_that_follow_the_long_line() {
    let stream = [&line(DEFAULT_LIMIT + 1)[..], &b"never echoed\n".repeat(100_000)].concat();
    on_every_model(&[], |server| {
        assert_eq!(Text(&server.connect().converse(&stream)), Text(TOO_LONG));
    });
}

/// A plain close with unread input would reset, and discard the server's send buffer.
#[test]
fn replies_before_the_error_reach_a_slow_reader_too() {
    let long = line(DEFAULT_LIMIT + 1);
    let stream =
        [&numbered("", 0..12_000)[..], &long, &b"never echoed\n".repeat(20_000)].concat();
    let expected = [&numbered("ECHO: ", 0..12_000)[..], TOO_LONG].concat();
    on_every_model(&["--send-buffer", "1MiB"], |server| {
        let mut client = server.connect();
        // More than the client's kernel buffers unread, less than the server's does.
        client.send(&stream);
        client.half_close();
        wait_until_closed_by_server(&client);
        assert_eq!(Text(&client.read_to_end()), Text(&expected));
    });
}

#[test]
fn a_line_that_never_ends_is_refused_at_the_limit() {
    on_every_model(&["--max-message", "1000"], |server| {
        let mut client = server.connect();
        client.send(&[b'x'; 1001]);
        let expected = b"ERROR: line too long (limit 1000 bytes)\n";
        assert_eq!(Text(&client.read_to_end()), Text(expected));
    });
}

#[test]
fn after_the_error_the_server_does_not_wait_for_the_client_to_close() {
    on_every_model(&["--max-message", "10", "--max-conns", "1"], |server| {
        let mut refused = server.connect();
        refused.send(&line(11));
        refused.read_to_end();
        // Its slot is free again although it has never closed.
        wait_until("the place of the refused client is free", || {
            let client = Client::try_connect(server.address());
            client.is_ok_and(|mut client| client.try_line(b"next\n") == b"ECHO: next\n")
        });
        drop(refused);
    });
}

#[test]
fn a_frame_over_the_limit_is_told_in_a_frame() {
    let frame = |payload: &[u8]| [&(payload.len() as u32).to_be_bytes(), payload].concat();
    let flags = ["--protocol", "frame", "--max-message", "100"];
    on_every_model(&flags, |server| {
        let mut client = server.connect();
        client.exchange(&frame(&[7; 100]), &frame(&[7; 100]));
        client.send(&frame(&[7; 101]));
        let told = frame(b"ERROR: frame too long (limit 100 bytes)");
        assert_eq!(Text(&client.read_to_end()), Text(&told));
    });
}

#[test]
fn a_huge_announced_frame_is_refused_at_once_and_costs_no_memory() {
    let limit = echo_net::fd_limit::raise();
    assert!(limit >= 1_500, "1,000 connections need more descriptors than {limit}");
    on_every_model(&["--protocol", "frame"], |server| {
        server.connect().exchange(&[0, 0, 0, 1, b'x'], &[0, 0, 0, 1, b'x']);
        let is_refused = |client: &mut Client| {
            client.send(&[0xff, 0xff, 0xff, 0xff, b'x']);
            assert!(client.read_to_end().ends_with(b"(limit 1048576 bytes)"));
        };
        best_of_three("until a frame of 4 GiB is refused", || {
            let took = timed(|| is_refused(&mut server.connect()));
            at_most(took, Duration::from_millis(100))
        });
        let before = server.resident_kib();
        let mut patient: Vec<_> = (0..1000).map(|_| server.connect()).collect();
        for client in &mut patient {
            client.send(&[0, 0x10, 0, 0, b'x']);
        }
        wait_until_read(&patient);
        let grown = server.resident_kib().saturating_sub(before);
        // Of which a thread for each takes what it takes without any announcement.
        let most = if server.ready()["model"] == "threads" { 64 } else { 16 };
        assert!(grown <= most * 1024, "grew by {grown} KiB for announcements of 1,000 MiB");
        assert!(!patient[0].is_ended_within(Duration::from_millis(1)), "it may still come");
    });
}
