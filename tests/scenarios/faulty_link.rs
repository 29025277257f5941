//! Faults of the path between two hosts in network namespaces: a host that vanishes, a link
//! that is slow or down for a while, a route into a black hole, a connection that is killed.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{tell_skipped, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model_at_once, on_every_model};
use echo_test_support::two_hosts::{Host, TwoHosts};

use crate::lines::numbered;

const IN_JSON: [&str; 2] = ["--log-format", "json"];

fn server_on(hosts: &TwoHosts, model: ModelKind, flags: &[&str]) -> RunningServer {
    let address = SocketAddr::from((hosts.server_ip(), 0)).to_string();
    let flags = [&IN_JSON[..], flags].concat();
    hosts.server.inside(|| RunningServer::start_at(&address, model, &flags))
}

fn client_on(host: &Host, server: &RunningServer) -> Client {
    host.inside(|| server.connect())
}

/// A client that does not read, so that the server has output for it.
fn with_unread_replies(mut client: Client) -> Client {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    client.send_until_stuck(&line, Duration::from_millis(100), usize::MAX);
    client
}

/// Neither its data nor its end arrives any more, and nothing sent to it is acknowledged.
#[test]
fn a_host_that_cannot_be_reached_any_more_keeps_no_slot_beyond_the_timeouts() {
    let test = "a_host_that_cannot_be_reached_any_more_keeps_no_slot_beyond_the_timeouts";
    each_model_at_once(|model| {
        for fault in ["ip link del cable", "ip route add blackhole 10.77.0.2/32"] {
            let Some(hosts) = TwoHosts::new_or_skip(test) else { return };
            let timeouts = ["--idle-timeout", "1s", "--write-timeout", "2s"];
            let mut server = server_on(&hosts, model, &timeouts);
            let _unread = with_unread_replies(client_on(&hosts.client, &server));
            let mut idle = client_on(&hosts.client, &server);
            idle.exchange(b"x\n", b"ECHO: x\n");
            assert!(hosts.server.run(fault));
            server.wait_until_unused();
            server.stop();
        }
    });
}

#[test]
fn a_link_that_is_down_for_a_while_loses_no_byte() {
    let test = "a_link_that_is_down_for_a_while_loses_no_byte";
    let lines = numbered("", 0..100_000);
    let expected = numbered("ECHO: ", 0..100_000);
    each_model_at_once(|model| {
        let Some(hosts) = TwoHosts::new_or_skip(test) else { return };
        // Without a limit the transfer would be over before the link is down.
        assert!(
            hosts
                .server
                .run("tc qdisc add dev cable root tbf rate 20mbit burst 16k latency 50ms")
        );
        let mut server = server_on(&hosts, model, &[]);
        let mut client = client_on(&hosts.client, &server);
        let seen = thread::scope(|scope| {
            let talking = scope.spawn(|| client.converse(&lines));
            thread::sleep(Duration::from_millis(100));
            assert!(!talking.is_finished(), "the transfer was too fast for this test");
            assert!(hosts.client.run("ip link set cable down"));
            thread::sleep(Duration::from_millis(500));
            assert!(hosts.client.run("ip link set cable up"));
            talking.join().expect("every byte comes back")
        });
        assert_eq!(Text(&seen), Text(&expected));
        server.stop();
    });
}

#[test]
fn a_link_that_is_down_for_a_while_shows_as_latency_and_is_no_error() {
    let test = "a_link_that_is_down_for_a_while_shows_as_latency_and_is_no_error";
    let Some(hosts) = TwoHosts::new_or_skip(test) else { return };
    let server = server_on(&hosts, ModelKind::default(), &[]);
    let address = server.address().to_string();
    let run = [&address, "--conns=4", "--rate=200", "--duration=3s", "--warmup=0"];
    let mut run = hosts.client.inside(|| BenchProcess::start(&run));
    run.wait_until_measuring();
    assert!(hosts.client.run("ip link set cable down"));
    // How long it is down is under test.
    thread::sleep(Duration::from_millis(500));
    assert!(hosts.client.run("ip link set cable up"));
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.requests("scheduled"), finished.requests("ok"), "{finished:#?}");
    let response = &finished.report()["summary"]["latency"]["response"];
    assert!(response["max_ns"].as_u64() >= Some(400_000_000), "{response}");
}

#[test]
fn a_slow_link_is_no_reason_for_a_timeout() {
    let test = "a_slow_link_is_no_reason_for_a_timeout";
    let lines = numbered("", 0..30_000);
    let expected = numbered("ECHO: ", 0..30_000);
    each_model_at_once(|model| {
        let Some(hosts) = TwoHosts::new_or_skip(test) else { return };
        // A queue that holds all that is in flight: lost packets are not under test.
        let rate = "tc qdisc add dev cable root tbf rate 2mbit burst 32k latency 400ms";
        if !hosts.server.run(rate) {
            return tell_skipped(test, "no tc, or a kernel without the tbf queue discipline");
        }
        let timeouts = ["--idle-timeout", "1s", "--write-timeout", "1s"];
        let small = ["--send-buffer", "16K"];
        let mut server = server_on(&hosts, model, &[&timeouts[..], &small].concat());
        let mut client = client_on(&hosts.client, &server);
        assert_eq!(Text(&client.converse(&lines)), Text(&expected));
        server.stop();
    });
}

#[test]
fn a_connection_that_the_kernel_kills_is_freed_and_the_others_go_on() {
    let test = "a_connection_that_the_kernel_kills_is_freed_and_the_others_go_on";
    on_every_model(&IN_JSON, |server| {
        let Some(mut ss) = third_party_or_skip(test, "ss") else { return };
        let (mut killed, mut other) = (server.connect(), server.connect());
        killed.exchange(b"x\n", b"ECHO: x\n");
        other.exchange(b"x\n", b"ECHO: x\n");
        killed.send(b"half a li");
        let (port, peer) = (server.address().port(), killed.stream().local_addr());
        let filter =
            format!("sport = :{port} and dport = :{}", peer.expect("connected").port());
        let kill: &mut Command = ss.args(["-K", "-t", "-n", "state", "established", &filter]);
        let output = kill.output().expect("it is installed");
        if !killed.is_ended_within(Duration::from_secs(2)) {
            return tell_skipped(test, format_args!("ss -K kills nothing here: {output:?}"));
        }
        wait_until("its place is free", || server.counters()["active"] == 1);
        other.exchange(b"y\n", b"ECHO: y\n");
    });
}

/// Where no timeout applies, the kernel notices that a host has vanished: 60 s until it asks,
/// then three questions.
#[test]
fn an_idle_connection_is_probed() {
    let test = "an_idle_connection_is_probed";
    on_every_model(&["--idle-timeout", "0"], |server| {
        let Some(mut ss) = third_party_or_skip(test, "ss") else { return };
        let mut client = server.connect();
        client.exchange(b"x\n", b"ECHO: x\n");
        let filter = format!("sport = :{}", server.address().port());
        ss.args(["-t", "-n", "-o", "state", "established", &filter]);
        // Until its reply is acknowledged another timer is shown.
        wait_until("the keepalive timer runs", || {
            let output = ss.output().expect("it is installed");
            String::from_utf8_lossy(&output.stdout).contains("timer:(keepalive,")
        });
    });
}
