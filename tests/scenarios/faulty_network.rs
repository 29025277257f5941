//! Faults between client and server, injected by a proxy: the server on every model, the
//! generator on every engine, and the client.

mod client;
mod generator;

use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::fault_proxy::{Fault, FaultProxy, Faults};
use echo_test_support::running_server::{on_every_model, on_every_model_at_once};

use crate::lines::numbered;

const IN_JSON: [&str; 2] = ["--log-format", "json"];

/// Of bytes that do not repeat soon.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n >> 8 ^ n) as u8).collect()
}

#[test]
fn a_stream_in_late_slices_gets_the_same_replies() {
    let slices = Fault::Slice { size: 7, pause: Duration::from_micros(100) };
    let late = Fault::Delay(Duration::from_millis(5));
    on_every_model(&[], |server| {
        let proxy = FaultProxy::start(server.address(), &Faults::both(&[slices, late]));
        let seen = Client::connect(proxy.address()).converse(&numbered("", 0..500));
        assert_eq!(Text(&seen), Text(&numbered("ECHO: ", 0..500)));
    });
}

/// Slow, but never without progress: neither timeout applies.
#[test]
fn a_throttled_transfer_outlasts_the_idle_and_write_timeouts() {
    let timeouts = ["--idle-timeout", "1s", "--write-timeout", "1s"];
    // Megabytes in kernel buffers would hide that the peer is slow.
    let buffers = ["--send-buffer", "16K", "--recv-buffer", "16K"];
    let flags = [&["--protocol", "raw"][..], &timeouts, &buffers].concat();
    let sent = bytes(500_000);
    on_every_model_at_once(&flags, |server| {
        let throttle = Faults::to_client(&[Fault::Throttle(200_000)]);
        let proxy = FaultProxy::start(server.address(), &throttle);
        let started = Instant::now();
        let seen = Client::connect(proxy.address()).converse(&sent);
        assert!(seen == sent, "{} of {} bytes", seen.len(), sent.len());
        assert!(started.elapsed() > Duration::from_secs(2), "the proxy did not throttle");
    });
}

#[test]
fn resets_on_the_way_free_their_connections_and_disturb_nobody() {
    const CLIENTS: usize = 20;
    on_every_model(&IN_JSON, |server| {
        let mut bystander = server.connect();
        let resets = Faults::to_client(&[Fault::ResetAfter(1000)]);
        let proxy = FaultProxy::start(server.address(), &resets);
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|_| Client::connect(proxy.address())).collect();
        for client in &mut clients {
            client.send(&numbered("", 0..200));
            bystander.exchange(b"here\n", b"ECHO: here\n");
        }
        for client in &mut clients {
            client.expect(&numbered("ECHO: ", 0..200)[..1000]);
            assert!(client.is_ended_within(PATIENCE), "the reset never came");
        }
        assert_eq!(proxy.injected(), CLIENTS as u64);
        bystander.exchange(b"still here\n", b"ECHO: still here\n");
        drop(bystander);
        server.wait_until_unused();
    });
}

#[test]
fn what_came_before_an_early_end_is_answered() {
    on_every_model(&[], |server| {
        let early_end = Faults::to_server(&[Fault::HalfCloseAfter(11)]);
        let proxy = FaultProxy::start(server.address(), &early_end);
        let seen = Client::connect(proxy.address()).converse(b"one\ntwo\nthree\nfour\n");
        assert_eq!(Text(&seen), Text(b"ECHO: one\nECHO: two\nECHO: thr\n"));
    });
}

#[test]
fn a_peer_that_falls_silent_for_good_is_let_go_at_the_idle_timeout() {
    let flags = [&IN_JSON[..], &["--idle-timeout", "300ms"]].concat();
    on_every_model_at_once(&flags, |server| {
        let black_hole = Faults::both(&[Fault::BlackholeAfter(6)]);
        let proxy = FaultProxy::start(server.address(), &black_hole);
        let mut client = Client::connect(proxy.address());
        client.send(b"one\ntwo\nthree\n");
        client.expect(b"ECHO: ");
        server.wait_until_unused();
        assert!(!client.is_ended_within(Duration::from_millis(50)), "nothing passes any more");
    });
}

#[test]
fn a_corrupted_length_prefix_is_refused_in_words_and_harms_nobody_else() {
    let frame = [&[0, 0, 0, 5][..], b"hello"].concat();
    on_every_model(&["--protocol", "frame"], |server| {
        let corrupted = Faults::to_server(&[Fault::Corrupt(9)]);
        let proxy = FaultProxy::start(server.address(), &corrupted);
        let mut client = Client::connect(proxy.address());
        client.exchange(&frame, &frame);
        client.send(&frame);
        let told = client.read_to_end();
        assert!(
            told.ends_with(b"ERROR: frame too long (limit 1048576 bytes)"),
            "{:?}",
            Text(&told)
        );
        server.connect().exchange(&frame, &frame);
    });
}

/// A close_notify within the handshake once made a server spin (RUSTSEC-2024-0336).
#[test]
fn a_handshake_that_breaks_off_ends_its_connection_and_takes_no_cpu() {
    let hello = &b"\x16\x03\x01\0\xf8\x01\0\0\xf4\x03\x03"[..];
    let close_notify = &b"\x15\x03\x03\0\x02\x01\0"[..];
    let flags = [&IN_JSON[..], &["--tls-self-signed"]].concat();
    on_every_model_at_once(&flags, |server| {
        for opening in [close_notify, hello, &[hello, close_notify].concat()] {
            let mut client = server.connect();
            client.send(opening);
            client.half_close();
            // An alert, or nothing, and then the end or a reset.
            let _ = client.sender().read_to_end(&mut Vec::new());
            let mut client = server.connect();
            client.send(opening);
            client.wait_until_read();
            client.reset();
        }
        server.wait_until_unused();
        let cpu = server.cpu_time();
        thread::sleep(Duration::from_millis(500));
        let spent = server.cpu_time().saturating_sub(cpu);
        assert!(spent <= Duration::from_millis(50), "{spent:?} of CPU time for nobody");
    });
}
