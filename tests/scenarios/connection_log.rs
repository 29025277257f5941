//! Log lines about connections, and the statistics printed on a signal.

use echo_server::model::ModelKind;
use echo_test_support::deadline::wait_until;
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::Signal;

#[test]
fn a_verbose_log_names_who_has_connected_and_who_has_left() {
    each_model(|model| {
        let mut server = RunningServer::start(model, &["-vv"]);
        let peers: Vec<_> = (0..3)
            .map(|_| {
                let mut client = server.connect();
                client.exchange(b"x\n", b"ECHO: x\n");
                client.stream().local_addr().expect("it is connected")
            })
            .collect();
        let reset = {
            let mut client = server.connect();
            client.exchange(b"x\n", b"ECHO: x\n");
            let peer = client.stream().local_addr().expect("it is connected");
            client.reset();
            peer
        };
        let said = server.stop();
        for peer in peers.iter().chain([&reset]) {
            for event in ["connected", "disconnected"] {
                let line = format!(" {event} peer={peer}");
                assert_eq!(said.matches(&line).count(), 1, "{line} in {said}");
            }
        }
        let broke = said.lines().find(|line| line.contains("connection broke"));
        assert!(broke.is_some_and(|line| line.contains(&format!("peer={reset}"))), "{said}");
    });
}

#[test]
fn without_being_asked_the_log_names_no_connection() {
    let mut server = RunningServer::start(ModelKind::default(), &[]);
    server.connect().exchange(b"x\n", b"ECHO: x\n");
    let said = server.stop();
    assert!(!said.contains("connected"), "{said}");
}

#[test]
fn in_a_log_of_json_the_counters_are_json_too() {
    let mut server = RunningServer::start(ModelKind::default(), &["--log-format=json"]);
    let mut client = server.connect();
    client.exchange(b"x\n", b"ECHO: x\n");
    server.signal(Signal::USR1);
    wait_until("it tells its counters", || server.said_so_far().contains("\"active\":"));
    drop(client);
    let said = server.stop();
    let line = said.lines().find(|line| line.contains("\"active\":")).expect("just seen");
    let counters: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    assert_eq!((&counters["active"], &counters["connections"]), (&1.into(), &1.into()));
    assert!(counters["messages"].is_number(), "{counters}");
}

#[test]
fn usr1_tells_the_counters_so_far_and_hup_nothing_and_the_server_goes_on() {
    each_model(|model| {
        let mut server = RunningServer::start(model, &[]);
        let mut client = server.connect();
        client.exchange(b"x\n", b"ECHO: x\n");
        server.signal(Signal::HUP);
        let counters = "echo-server: 1 connection open; so far 1 connection, 0 refused, \
                        1 message, 2 bytes in, 8 bytes out, 0 errors, 0 aborted\n";
        // Repeated: an event loop counts replies at the end of its turn.
        wait_until("it tells its counters", || {
            server.signal(Signal::USR1);
            server.said_so_far().contains(counters)
        });
        client.exchange(b"y\n", b"ECHO: y\n");
        server.connect().exchange(b"z\n", b"ECHO: z\n");
        let said = server.stop();
        assert!(said.contains("echo-server: 2 connections, 0 refused, 3 messages"), "{said}");
    });
}
