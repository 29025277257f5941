//! Many connections.

use std::time::{Duration, Instant};

use echo_net::fd_limit;
use echo_server::model::ModelKind;
use echo_test_support::deadline::wait_until;
use echo_test_support::program::tell_skipped;
use echo_test_support::promptness::{SCHEDULING, at_most, best_of_three, p99_of, round_trip};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use echo_test_support::turn::turn;

/// Clients and servers of these tests are separate processes with the same descriptor limit
/// each.
fn make_room() {
    let limit = fd_limit::raise();
    assert!(limit >= 2_500, "1,000 connections need more descriptors than {limit}");
}

#[test]
fn a_thousand_connections_at_once_are_all_answered() {
    make_room();
    on_every_model(&[], |server| {
        let mut clients: Vec<_> = (0..1000).map(|_| server.connect()).collect();
        for round in 0..2 {
            for (number, client) in clients.iter_mut().enumerate() {
                client.send(format!("{number} in round {round}\n").as_bytes());
            }
            for (number, client) in clients.iter_mut().enumerate() {
                client.expect(format!("ECHO: {number} in round {round}\n").as_bytes());
            }
        }
    });
}

#[test]
fn idle_connections_do_not_starve_others() {
    make_room();
    on_every_model(&["--workers", "2"], |server| {
        let mut idle: Vec<_> = (0..200).map(|_| server.connect()).collect();
        for (number, client) in idle.iter_mut().enumerate() {
            match number % 3 {
                0 => client.exchange(b"now idle\n", b"ECHO: now idle\n"),
                1 => client.send(b"half a line"),
                _ => {}
            }
        }
        let mut busy: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for _ in 0..20 {
            for client in &mut busy {
                client.exchange(b"busy\n", b"ECHO: busy\n");
            }
        }
        for client in idle.iter_mut().skip(1).step_by(3) {
            client.exchange(b", ended\n", b"ECHO: half a line, ended\n");
        }
    });
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    make_room();
    come_and_go(1000, 3);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test scenarios five_thousand -- --ignored"]
fn five_thousand_connections_that_come_and_go_ten_times_leave_nothing_behind() {
    make_room();
    come_and_go(5000, 10);
}

/// The stacks of ended threads that glibc keeps, in KiB, at most.
const KEPT_STACKS: u64 = 40 * 1024;

/// So many connections at once, again and again: descriptors are as many as before, and memory is
/// at most a tenth more than after the first times.
fn come_and_go(connections: usize, cycles: usize) {
    on_every_model(&["--log-format=json"], |server| {
        let cycle = || {
            let mut clients: Vec<_> = (0..connections).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.exchange(b"x\n", b"ECHO: x\n");
            }
            drop(clients);
            server.wait_until_unused();
        };
        let descriptors = server.descriptors();
        // What a worker keeps of its first connections is no growth.
        for _ in 0..cycles {
            cycle();
        }
        let memory = server.resident_kib();
        for _ in 0..cycles {
            cycle();
        }
        wait_until("as many descriptors are open as before", || {
            server.descriptors() == descriptors
        });
        let kept = if server.ready()["model"] == "threads" { KEPT_STACKS } else { 0 };
        let now = server.resident_kib();
        assert!(
            now <= memory + memory / 10 + kept,
            "{now} KiB after {cycles} times, not {memory}"
        );
    });
}

#[test]
fn an_idle_connection_costs_little_memory() {
    const CONNECTIONS: u64 = 1000;
    make_room();
    on_every_model(&[], |server| {
        server.connect().exchange(b"first\n", b"ECHO: first\n");
        let before = server.resident_kib();
        let mut idle: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
        for client in &mut idle {
            client.exchange(b"then silence\n", b"ECHO: then silence\n");
        }
        let has_threads = server.ready()["model"] == "threads";
        let most = if has_threads { 64 } else { 8 };
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown <= most * CONNECTIONS, "{grown} KiB for {CONNECTIONS} idle connections");
    });
}

/// With so many idle connections: the first reply to a new one takes at most 100 ms, and the p99
/// of another at most half as long again as without them, and `more`; but poll(2) looks at each
/// connection in turn.
fn beside_idle_ones(model: ModelKind, idle: usize, more: Duration) -> Result<(), String> {
    const EXCHANGES: usize = 300;
    let mut server = RunningServer::start(model, &[]);
    let mut active = server.connect();
    let before = p99_of(&mut active, EXCHANGES);
    let mut clients: Vec<_> = (0..idle).map(|_| server.connect()).collect();
    // Each is served, and then idle.
    for client in &mut clients {
        client.send(b"x\n");
    }
    for client in &mut clients {
        client.expect(b"ECHO: x\n");
    }
    let begin = Instant::now();
    round_trip(&mut server.connect());
    let first = begin.elapsed();
    let during = p99_of(&mut active, EXCHANGES);
    println!("{model}, {idle} idle: first reply {first:?}, p99 {before:?}, then {during:?}");
    drop((active, clients));
    server.stop();
    let is_linear = model == ModelKind::Poll;
    let most = before * 3 / 2 + if is_linear { Duration::from_millis(100) } else { more };
    at_most(first, Duration::from_millis(100)).and(at_most(during, most))
}

fn beside_idle_ones_on_each_model(
    test: &str,
    idle: impl Fn(ModelKind) -> usize,
    more: Duration,
) {
    let limit = fd_limit::raise();
    let _turn = turn();
    each_model(|model| {
        let idle = idle(model);
        if limit < (idle + 500) as u64 {
            return tell_skipped(test, format_args!("{idle} connections, {limit} descriptors"));
        }
        let what = format_args!("{model} with {idle} idle connections");
        best_of_three(what, || beside_idle_ones(model, idle, more));
    });
}

#[test]
fn many_idle_connections_delay_neither_the_first_reply_of_another_nor_the_next() {
    let test = "many_idle_connections_delay_neither_the_first_reply_of_another_nor_the_next";
    // Of a thread for each the number matters.
    let idle = |model| if model == ModelKind::Threads { 10_000 } else { 2000 };
    beside_idle_ones_on_each_model(test, idle, Duration::from_millis(100));
}

#[test]
#[ignore = "needs a quiet machine: cargo test --release --test scenarios ten_thousand -- --ignored"]
fn ten_thousand_idle_connections_do_not_slow_another_down() {
    let test = "ten_thousand_idle_connections_do_not_slow_another_down";
    beside_idle_ones_on_each_model(test, |_| 10_000, SCHEDULING);
}
