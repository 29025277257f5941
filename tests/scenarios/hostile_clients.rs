//! Misbehaving clients harm only themselves.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::promptness::{
    SCHEDULING, at_most, best_of_three, p99, p99_of, round_trip,
};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use echo_test_support::turn::turn;
use rustix::process::Signal;

/// What a debug build adds on a machine whose CPUs the tests share.
const BUSY: Duration = Duration::from_millis(20);

#[test]
fn a_client_that_resets_does_not_disturb_others() {
    on_every_model(&[], |server| {
        let mut bystander = server.connect();
        for round in 0..30 {
            server.connect().reset();

            let mut mid_line = server.connect();
            mid_line.send(b"half a li");
            mid_line.reset();

            let mut unread_replies = server.connect();
            unread_replies.send(&b"never read\n".repeat(1000));
            unread_replies.reset();

            let line = format!("round {round}\n");
            bystander.exchange(line.as_bytes(), format!("ECHO: {line}").as_bytes());
        }
        assert!(server.is_running());
        server.connect().exchange(b"newcomer\n", b"ECHO: newcomer\n");
    });
}

#[test]
fn a_client_that_never_reads_stops_nobody_and_costs_bounded_memory() {
    const MOST: usize = 64 << 20;
    let chunk = [&[b'x'; 1023][..], b"\n"].concat();
    on_every_model(&["--workers", "2"], |server| {
        let mut bystander = server.connect();
        bystander.exchange(b"before\n", b"ECHO: before\n");
        let before = server.resident_kib();
        let mut stuck: Vec<_> = (0..3).map(|_| server.connect()).collect();
        let still = Duration::from_millis(300);
        let sent: Vec<_> = stuck
            .iter_mut()
            .map(|client| client.send_until_stuck(&chunk, still, MOST))
            .collect();
        assert!(sent.iter().all(|&sent| sent < MOST), "the server reads on without end");
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown < 64 * 1024, "grew by {grown} KiB for three clients that do not read");

        for _ in 0..20 {
            bystander.exchange(b"during\n", b"ECHO: during\n");
            server.connect().exchange(b"newcomer\n", b"ECHO: newcomer\n");
        }

        // A late reader still finds everything, in order.
        let mut late = stuck.swap_remove(0);
        let lines = sent[0] / chunk.len();
        late.half_close();
        let replies = late.read_to_end();
        let reply = [b"ECHO: ", &chunk[..]].concat();
        assert!(replies.len() >= lines * reply.len(), "{} bytes", replies.len());
        for seen in replies.chunks_exact(reply.len()).take(lines) {
            assert_eq!(Text(seen), Text(&reply));
        }
        for stuck in stuck {
            stuck.reset();
        }
    });
}

/// Received messages count, though the client is gone when they are answered.
#[test]
fn a_message_is_counted_though_its_reply_cannot_be_sent() {
    on_every_model(&["--log-format", "json"], |server| {
        // Request and reset are both there when the server reads.
        server.signal(Signal::STOP);
        let mut client = server.connect();
        client.send(b"one\ntwo\n");
        client.reset();
        server.signal(Signal::CONT);
        server.signal(Signal::TERM);
        let summary = server.wait_exit(PATIENCE).summary();
        let counts = ["connections", "messages", "bytes_in", "bytes_out"];
        assert_eq!(counts.map(|name| &summary[name]), [1, 2, 8, 20], "{summary}");
    });
}

/// Sends what the kernel takes.
fn push(mut client: &TcpStream, line: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        match client.write(line) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("cut before the write timeout: {error}"),
        }
    }
}

/// 50 clients push without reading: the p99 of another is at most twice that of before, and
/// `more`.
fn beside_deaf_ones(model: ModelKind, more: Duration) -> Result<(), String> {
    const DEAF: usize = 50;
    const EXCHANGES: usize = 300;
    let mut server = RunningServer::start(model, &["--send-buffer=16K", "--recv-buffer=16K"]);
    let mut bystander = server.connect();
    let before = p99_of(&mut bystander, EXCHANGES);
    let deaf: Vec<_> = (0..DEAF).map(|_| server.connect()).collect();
    for client in &deaf {
        client.stream().set_nonblocking(true).expect("it is open");
    }
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let (mut last_taken, begin) = (Instant::now(), Instant::now());
    while last_taken.elapsed() < Duration::from_millis(100) {
        assert!(begin.elapsed() < PATIENCE, "the server reads on without end");
        if deaf.iter().map(|client| push(client.stream(), &line)).sum::<usize>() > 0 {
            last_taken = Instant::now();
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut during = Vec::new();
    for exchange in 0..EXCHANGES {
        push(deaf[exchange % DEAF].stream(), &line);
        during.push(round_trip(&mut bystander));
    }
    let during = p99(during);
    println!("{model}: p99 {before:?}, beside {DEAF} that do not read {during:?}");
    deaf.into_iter().for_each(Client::reset);
    drop(bystander);
    server.stop();
    at_most(during, before * 2 + more)
}

/// 5,000 clients connect and go: the p99 of ten others is at most five times that of before, and
/// `more`.
fn beside_a_flood(model: ModelKind, more: Duration) -> Result<(), String> {
    const FLOOD: u64 = 5000;
    let mut server = RunningServer::start(model, &["--log-format=json", "--workers=2"]);
    let mut others: Vec<_> = (0..10).map(|_| server.connect()).collect();
    let mut ask_all = || others.iter_mut().map(round_trip).collect::<Vec<_>>();
    let before = p99((0..30).flat_map(|_| ask_all()).collect());
    let (address, is_over) = (server.address(), AtomicBool::new(false));
    let during = thread::scope(|scope| {
        scope.spawn(|| {
            (0..FLOOD).for_each(|_| Client::connect(address).reset());
            is_over.store(true, Ordering::Relaxed);
        });
        let begin = Instant::now();
        let mut times = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            assert!(begin.elapsed() < PATIENCE, "the flood does not end");
            times.extend(ask_all());
        }
        p99(times)
    });
    println!("{model}: p99 {before:?}, in a flood of connects {during:?}");
    drop(others);
    server.signal(Signal::TERM);
    let summary = server.wait_exit(PATIENCE).summary();
    let seen = summary["connections"].as_u64().expect("a count");
    assert!((11..=10 + FLOOD).contains(&seen), "{summary}");
    assert_eq!(summary["refused"], 0, "{summary}");
    at_most(during, before * 5 + more)
}

fn others_are_served(more: Duration) {
    let _turn = turn();
    each_model(|model| {
        best_of_three(format_args!("{model}: deaf clients"), || beside_deaf_ones(model, more));
        best_of_three(format_args!("{model}: connects"), || beside_a_flood(model, more));
    });
}

#[test]
fn others_are_served_beside_clients_that_do_not_read_and_in_a_flood_of_connects() {
    others_are_served(BUSY);
}

#[test]
#[ignore = "needs a quiet machine: cargo test --release --test scenarios hostile -- --ignored"]
fn hostile_clients_hardly_raise_the_p99_of_others() {
    others_are_served(SCHEDULING);
}
