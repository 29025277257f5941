//! Scans of IPv6 addresses with zones.

use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};
use std::process::Command;

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, tell_skipped};

/// A link-local address of this machine, with its interface's number and name.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [address, interface, _, _, flags, name] = fields[..] else { return None };
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        // Flag 0x40: the address is tentative and can't be used yet.
        let ready = u8::from_str_radix(flags, 16).ok()? & 0x40 == 0;
        let interface = u32::from_str_radix(interface, 16).ok()?;
        (address.is_unicast_link_local() && ready)
            .then(|| (address, interface, name.to_owned()))
    })
}

#[test]
fn the_zone_of_a_link_local_address_is_kept() {
    let test = "the_zone_of_a_link_local_address_is_kept";
    let Some((address, interface, name)) = link_local() else {
        return tell_skipped(test, "no link-local address");
    };
    let own = SocketAddrV6::new(address, 0, 0, interface);
    let listener = TcpListener::bind(own).expect("an address of this machine");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    for host in [format!("{address}%{name}"), format!("[{address}%{name}]")] {
        let mut command = Command::new(own_program("echo-client"));
        let output = run(command.args(["scan", &host, "--ports", &port]), b"", PATIENCE);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{port}\n"), "{errors}");
        let zone = format!("{address}%{name}: 1 open, 0 refused, 0 filtered\n");
        assert_eq!((output.status.code(), &*errors), (Some(0), &*zone));
    }
}

#[test]
fn a_link_local_address_without_its_zone_is_refused_with_the_remedy() {
    let mut command = Command::new(own_program("echo-client"));
    let output = run(command.args(["scan", "fe80::1", "--ports", "1-3"]), b"", PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("needs its zone (fe80::1%INTERFACE)"), "{errors}");
}
