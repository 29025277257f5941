//! `echo-client scan` as a user sees it.

use std::net::TcpListener;
use std::process::Command;

#[test]
fn prints_the_open_ports_in_order_and_counts_the_others() {
    let open = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut ports = [0, 1, 2].map(|place: usize| open[place].local_addr().unwrap().port());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    let list: Vec<String> = ports.iter().chain([&closed_port]).map(u16::to_string).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(["scan", "127.0.0.1", "--ports", &list.join(",")])
        .output()
        .unwrap();
    ports.sort_unstable();
    let expected = ports.map(|port| port.to_string()).join("\n") + "\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let counts = String::from_utf8(output.stderr).unwrap();
    assert_eq!(counts, "127.0.0.1: 3 open, 1 refused, 0 filtered\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_host_without_an_address_and_ports_that_are_none_are_told() {
    for (arguments, code, reason) in [
        (["no such host", "--ports=1"], 1, "looking up no such host"),
        (["127.0.0.1", "--ports=0"], 2, "no list of ports"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .arg("scan")
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
}
