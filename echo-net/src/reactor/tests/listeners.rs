//! Listeners of a backend.

use super::*;

for_each_backend!(
    a_listener_that_is_closed_refuses,
    several_listeners_accept_and_a_dual_stack_one_names_ipv4_peers_by_their_own_address,
);

fn a_listener_that_is_closed_refuses<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut peer = accepted(&mut reactor, address, &mut log);
    reactor.stop_listening();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    peer.write_all(b"still served").unwrap();
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"still served");
}

fn several_listeners_accept_and_a_dual_stack_one_names_ipv4_peers_by_their_own_address<
    R: Backend,
>() {
    let Some((mut reactor, first)) = listening::<R>(64) else { return };
    let all = SocketAddr::from(([0; 8], 0));
    let Ok(second) = socket::listen(all, 16, false, &SocketOptions::default()) else {
        let _ = writeln!(io::stderr(), "skipped: several_listeners_accept: no IPv6");
        return;
    };
    let port = second.local_addr().unwrap().port();
    reactor.listen(second).unwrap();
    let mut log = Log::default();
    let targets = [
        first,
        SocketAddr::from(([127, 0, 0, 1], port)),
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)),
    ];
    for target in targets {
        let peer = accepted(&mut reactor, target, &mut log);
        assert_eq!(log.accepted.last(), Some(&peer.local_addr().unwrap()));
    }
    reactor.stop_listening();
    for target in targets {
        assert!(TcpStream::connect(target).is_err(), "{target} still accepts");
    }
}
