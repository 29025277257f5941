//! TCP Fast Open on each backend, in a network namespace of the test's own, whose settings do without
//! cookies: the first connection has data in its SYN, too.

use std::fs;

use super::*;
use crate::netlink::Route;
use crate::netns::Namespace;
use crate::socket::{TcpOptions, fastopen};

for_each_backend!(
    the_first_bytes_are_in_the_syn_and_the_connection_is_as_any_other,
    a_syn_with_data_that_is_refused_is_told,
    what_can_not_go_with_the_syn_follows_it,
);

const SYSCTL: &str = "/proc/sys/net/ipv4/tcp_fastopen";

/// Clients and servers may, both without a cookie (ip-sysctl: 1, 2, 4, 0x200).
const WITHOUT_COOKIES: &str = "519";

/// Moves this thread, which is the test's, to a network that has nothing but loopback.
fn own_network_or_skip() -> Option<Namespace> {
    let made = Namespace::create().and_then(|own| {
        Route::open()?.put_up(1)?;
        fs::write(SYSCTL, WITHOUT_COOKIES)?;
        Ok(own)
    });
    made.inspect_err(|reason| {
        let test = std::thread::current();
        // Bypasses the output capture of the test harness.
        let _ =
            writeln!(io::stderr(), "skipped: {}: {reason}", test.name().unwrap_or_default());
    })
    .ok()
}

fn options(target: SocketAddr) -> ConnectOptions {
    let tcp = TcpOptions { fastopen: Some(true), ..TcpOptions::SYSTEM };
    let socket = SocketOptions { tcp, ..SocketOptions::default() };
    ConnectOptions { target: target.into(), source: None, socket, stamps: false }
}

/// Both sides, and where the server listens.
fn both<R: Backend>() -> Option<(R::Reactor, R::Reactor, SocketAddr)> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 16, false, &options(any).socket).unwrap();
    assert!(fastopen::is_accepting(listener.as_fd()).unwrap());
    let address = listener.local_addr().unwrap();
    let mut server = R::make(4096)?;
    server.listen(listener).unwrap();
    Some((server, R::make(4096)?, address))
}

/// A reactor and what it has told.
type Side<'a, R> = (&'a mut R, &'a mut Log);

/// Echoes until the client has received `length` bytes more.
fn exchange<R: ServingReactor>([client, server]: [&mut Side<'_, R>; 2], length: usize) {
    let deadline = clock::now() + 5 * SECOND;
    let wanted = client.1.bytes.len() + length;
    while client.1.bytes.len() < wanted {
        assert!(clock::now() < deadline, "{} of {wanted} bytes", client.1.bytes.len());
        for (reactor, log) in [&mut *server, &mut *client] {
            reactor.turn(Some(clock::now() + MILLISECOND), *log).unwrap();
        }
    }
}

fn the_first_bytes_are_in_the_syn_and_the_connection_is_as_any_other<R: Backend>() {
    let Some(_network) = own_network_or_skip() else { return };
    let Some((mut server, mut client, address)) = both::<R>() else { return };
    let mut log = Log::default();
    let mut echoed = Log::echoing();
    let key = client.connect(&options(address)).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    assert!(client.tcp_info(key).unwrap().is_connecting, "nothing is sent so far");
    client.send(key, b"hello");
    exchange([&mut (&mut client, &mut log), &mut (&mut server, &mut echoed)], 5);
    assert_eq!(log.bytes, b"hello");
    assert!(client.tcp_info(key).unwrap().has_syn_data);
    assert!(server.tcp_info(echoed.keys[0]).unwrap().has_syn_data);
    client.send(key, b" again");
    exchange([&mut (&mut client, &mut log), &mut (&mut server, &mut echoed)], 6);
    assert_eq!((log.connected, log.bytes.as_slice()), (1, &b"hello again"[..]));
    // More than a SYN takes.
    let more = vec![7; 200_000];
    let second = client.connect(&options(address)).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 2);
    client.send(second, &more);
    exchange([&mut (&mut client, &mut log), &mut (&mut server, &mut echoed)], more.len());
    assert!(client.tcp_info(second).unwrap().has_syn_data && log.bytes.ends_with(&more));
}

fn a_syn_with_data_that_is_refused_is_told<R: Backend>() {
    let Some(_network) = own_network_or_skip() else { return };
    let Some(mut client) = R::make(4096) else { return };
    let mut log = Log::default();
    let key = client.connect(&options(SocketAddr::from(([127, 0, 0, 1], 1)))).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    client.send(key, b"hello");
    turn_until(&mut client, &mut log, |log| log.failed.is_some());
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::ConnectionRefused);
}

/// The cookie is gone between `connect` and the first write: the kernel sends the SYN alone.
fn what_can_not_go_with_the_syn_follows_it<R: Backend>() {
    let Some(_network) = own_network_or_skip() else { return };
    let Some((mut server, mut client, address)) = both::<R>() else { return };
    let mut log = Log::default();
    let mut echoed = Log::echoing();
    let key = client.connect(&options(address)).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    fs::write(SYSCTL, "3").unwrap();
    client.send(key, b"hello");
    assert_eq!(client.unsent(key), 5);
    exchange([&mut (&mut client, &mut log), &mut (&mut server, &mut echoed)], 5);
    assert!(!client.tcp_info(key).unwrap().has_syn_data);
    assert_eq!((log.bytes.as_slice(), log.connected), (&b"hello"[..], 1));
    fs::write(SYSCTL, "0").unwrap();
    let refused = client.connect(&options(address)).unwrap_err();
    assert!(refused.to_string().contains("sysctl -w net.ipv4.tcp_fastopen=3"), "{refused}");
    assert_eq!(fastopen::is_server_allowed(), Some(false));
}
