//! Listeners of a backend.

use super::*;

for_each_backend!(
    a_listener_that_is_closed_refuses,
    a_flood_of_connects_does_not_delay_what_is_readable,
    a_listener_that_others_keep_open_wakes_only_them,
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

fn a_flood_of_connects_does_not_delay_what_is_readable<R: Backend>() {
    const PENDING: usize = 300;
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut readable = accepted(&mut reactor, address, &mut log);
    reactor.turn(Some(0), &mut log).unwrap();
    let _pending: Vec<_> = (0..PENDING).map(|_| connect(address)).collect();
    readable.write_all(b"x").unwrap();
    settling::look::<R>(&mut reactor, &mut log, |log| log.bytes == b"x");
    assert_eq!(log.bytes, b"x", "it waits for the others");
    let most = if R::ACCEPTS_IN_KERNEL { PENDING } else { ACCEPTS_PER_TURN };
    assert!(log.keys.len() - 1 <= most, "{} in one turn", log.keys.len() - 1);
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1 + PENDING);
}

/// Closing a descriptor ends its events only if no other is open for the same socket (epoll(7)).
fn a_listener_that_others_keep_open_wakes_only_them<R: Backend>() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 16, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let (Some(mut gone), Some(mut stays)) = (R::make(64), R::make(64)) else { return };
    gone.listen(listener.try_clone().unwrap()).unwrap();
    stays.listen(listener).unwrap();
    let (mut idle, mut log) = (Log::default(), Log::default());
    gone.turn(Some(0), &mut idle).unwrap();
    gone.stop_listening();
    // Backends that close in the background do it in these.
    for _ in 0..3 {
        gone.turn(Some(clock::now() + MILLISECOND), &mut idle).unwrap();
    }
    let _peer = connect(address);
    let until = clock::now() + 20 * MILLISECOND;
    gone.turn(Some(until), &mut idle).unwrap();
    assert!(clock::now() >= until, "an event of a listener that was let go");
    assert!(idle.accepted.is_empty());
    turn_until(&mut stays, &mut log, |log| log.accepted.len() == 1);
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
        assert_eq!(log.accepted.last(), Some(&peer.local_addr().unwrap().into()));
    }
    reactor.stop_listening();
    for target in targets {
        assert!(TcpStream::connect(target).is_err(), "{target} still accepts");
    }
}
