//! A backend of the balancer that stands still for a while.

use std::fs;

use echo_server::model::ModelKind;
use echo_test_support::client::Client;
use echo_test_support::deadline::wait_until;
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;

use crate::balancer::Balancer;

const CLIENTS: usize = 40;

/// By its reply to this a client knows its backend: one echoes the command, one the line.
const REQUEST: &[u8] = b"ECHO x\n";
const OF_STALLED: &[u8] = b"ECHO: x\n";
const OF_OTHER: &[u8] = b"ECHO: ECHO x\n";

/// Whether the client has a reply that it has not read.
fn has_reply(client: &Client) -> bool {
    let stream = client.stream();
    stream.set_nonblocking(true).expect("it is open");
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("it is open");
    assert_ne!(seen.as_ref().ok(), Some(&0), "it was ended");
    seen.is_ok()
}

/// Whether all threads of a server are stopped, which a signal does one by one.
fn stands_still(server: &RunningServer) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    tasks.map(|task| task.expect("it runs").path().join("stat")).all(|stat| {
        let stat = fs::read_to_string(stat).expect("it runs");
        stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
    })
}

#[test]
fn a_backend_that_stalls_delays_its_own_clients_only_and_they_lose_nothing() {
    let servers = ["command", "line"]
        .map(|protocol| RunningServer::start(ModelKind::default(), &["--protocol", protocol]));
    let balancer = Balancer::start(&servers.each_ref().map(RunningServer::address), &[]);
    let (mut stalled, mut others) = (Vec::new(), Vec::new());
    for _ in 0..CLIENTS {
        let mut client = Client::connect(balancer.address());
        match &client.try_line(REQUEST)[..] {
            OF_STALLED => stalled.push(client),
            OF_OTHER => others.push(client),
            reply => panic!("{}", reply.escape_ascii()),
        }
    }
    assert!(!stalled.is_empty() && !others.is_empty(), "one backend has all clients");
    servers[0].signal(Signal::STOP);
    wait_until("every thread of the backend stands still", || stands_still(&servers[0]));
    for client in &mut stalled {
        client.send(REQUEST);
    }
    for _ in 0..3 {
        for client in &mut others {
            client.exchange(REQUEST, OF_OTHER);
        }
    }
    // The stalled one's kernel still accepts, so that only some are at the other one.
    let mut new = Vec::new();
    wait_until("a new client is served by the other backend", || {
        let mut client = Client::connect(balancer.address());
        client.send(REQUEST);
        new.push(client);
        new.iter().any(has_reply)
    });
    assert!(!stalled.iter().any(has_reply), "the backend stands still");
    servers[0].signal(Signal::CONT);
    for client in &mut stalled {
        client.expect(OF_STALLED);
    }
    wait_until("every new client is served", || new.iter().all(has_reply));
}
