//! Many connections.

use echo_test_support::deadline::wait_until;
use echo_test_support::running_server::on_every_model;

/// Clients and servers of these tests are separate processes with the same descriptor limit
/// each.
fn make_room() {
    let limit = echo_net::fd_limit::raise();
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
    on_every_model(&[], |server| {
        server.connect().exchange(b"first\n", b"ECHO: first\n");
        let before = server.descriptors();
        for _ in 0..300 {
            assert_eq!(server.connect().converse(b"bye"), b"ECHO: bye\n");
        }
        // A worker may open some descriptors with its first connection.
        let few = 10;
        wait_until("the connections' descriptors are closed", || {
            server.descriptors() <= before + few
        });
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
