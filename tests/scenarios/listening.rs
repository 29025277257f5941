//! Listen addresses: `:PORT` on both address families, a name on all its addresses; and display
//! of peers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, tell_skipped, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model};

use crate::named_hosts::NamedHosts;

/// Whether this machine has an IPv6 loopback; reports it if not.
fn has_ipv6(test: &str) -> bool {
    let bound = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    if bound.is_err() {
        tell_skipped(test, "no IPv6");
    }
    bound.is_ok()
}

fn on_all_interfaces(model: ModelKind, flags: &[&str]) -> RunningServer {
    let mut program = Command::new(own_program("echo-server"));
    RunningServer::start_as(program.arg(":0"), model, flags)
}

fn loopbacks(port: u16) -> [SocketAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        .map(|ip: IpAddr| SocketAddr::new(ip, port))
}

#[test]
fn a_port_alone_is_served_on_ipv4_and_ipv6_and_peers_are_named_by_their_own_addresses() {
    if !has_ipv6("a_port_alone_is_served_on_ipv4_and_ipv6") {
        return;
    }
    each_model(|model| {
        let mut server = on_all_interfaces(model, &["-v"]);
        let address = server.address();
        assert_eq!(address.ip(), IpAddr::from(Ipv6Addr::UNSPECIFIED));
        assert_eq!(server.ready()["addrs"], serde_json::json!([address]));
        let peers = loopbacks(address.port()).map(|target| {
            let mut client = Client::connect(target);
            client.exchange(b"x\n", b"ECHO: x\n");
            client.stream().local_addr().expect("it is connected")
        });
        let said = server.stop();
        for peer in peers {
            assert!(said.contains(&format!("connected peer={peer}")), "{peer} in {said}");
        }
        assert!(!said.contains("::ffff:"), "{said}");
    });
}

#[test]
fn the_address_of_the_ready_line_can_be_given_to_the_generator_and_so_can_the_port() {
    if !has_ipv6("the_address_of_the_ready_line_can_be_given_to_the_generator") {
        return;
    }
    let server = on_all_interfaces(ModelKind::default(), &[]);
    let address = server.ready()["addr"].as_str().expect("an address");
    for target in [address, &format!(":{}", server.address().port())] {
        let flags = [target, "--requests=100", "--warmup=0", "--conns=2"];
        let finished = BenchProcess::start(&flags).finish(PATIENCE);
        assert_eq!((finished.code, finished.requests("ok")), (Some(0), 100), "{finished:?}");
        // The server process is found by its listener, although that has another address.
        let cpu = &finished.report()["summary"]["cpu"]["server_us_per_message"];
        assert!(cpu.is_number(), "{target}: {finished:?}");
    }
}

/// Runs a program with a seccomp(2) filter without IPv6: sockets of that family fail with
/// EAFNOSUPPORT.
const WITHOUT_IPV6: &str = r#"
import ctypes, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
FAIL_WITH_EAFNOSUPPORT, ALLOW = 0x00050061, 0x7FFF0000
NUMBER, FIRST_ARGUMENT, AF_INET6 = 0, 16, 10
SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
rules = b"".join(struct.pack("HBBI", *rule) for rule in [
    (LOAD, 0, 0, NUMBER),
    (IF_EQUAL, 0, 3, SOCKET),
    (LOAD, 0, 0, FIRST_ARGUMENT),
    (IF_EQUAL, 0, 1, AF_INET6),
    (RETURN, 0, 0, FAIL_WITH_EAFNOSUPPORT),
    (RETURN, 0, 0, ALLOW),
])
kept = ctypes.create_string_buffer(rules)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]
filter = Filter(len(rules) // 8, ctypes.addressof(kept))
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
for arguments in [
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0),
]:
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn where_there_is_no_ipv6_a_port_alone_is_served_on_ipv4() {
    let test = "where_there_is_no_ipv6_a_port_alone_is_served_on_ipv4";
    each_model(|model| {
        let Some(mut command) = third_party_or_skip(test, "python3") else { return };
        command.args(["-c", WITHOUT_IPV6]).arg(own_program("echo-server")).arg(":0");
        let mut server = RunningServer::start_as(&mut command, model, &[]);
        let address = server.address();
        assert_eq!(address.ip(), IpAddr::from(Ipv4Addr::UNSPECIFIED));
        Client::connect(loopbacks(address.port())[0]).exchange(b"x\n", b"ECHO: x\n");
        server.stop();
    });
}

#[test]
fn a_port_in_use_on_one_family_is_not_taken_on_the_other_alone() {
    if !has_ipv6("a_port_in_use_on_one_family_is_not_taken_on_the_other_alone") {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("ports are left");
    let port = taken.local_addr().expect("it is bound").port();
    let mut command = Command::new(own_program("echo-server"));
    let output =
        echo_test_support::program::run(command.arg(format!(":{port}")), b"", PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("binding [::]:{port}")) && said.contains("in use"),
        "{said}"
    );
}

#[test]
fn a_name_is_served_on_all_its_addresses_at_one_port() {
    let test = "a_name_is_served_on_all_its_addresses_at_one_port";
    let lines = "127.0.0.1 two.test\n127.0.0.2 two.test\n";
    let Some(hosts) = NamedHosts::new_or_skip(test, lines) else { return };
    each_model(|model| {
        for flags in [&["--workers=2"][..], &["--workers=2", "--reuse-port"]] {
            let mut program = hosts.own_program("echo-server");
            let mut server = RunningServer::start_as(program.arg("two.test:0"), model, flags);
            let port = server.address().port();
            let both = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|ip| SocketAddr::from((ip, port)));
            assert_eq!(server.ready()["addrs"], serde_json::json!(both));
            for target in both.into_iter().cycle().take(20) {
                Client::connect(target).exchange(b"x\n", b"ECHO: x\n");
            }
            let said = server.stop();
            assert!(said.contains("20 connections, 0 refused, 20 messages"), "{said}");
        }
    });
}
