//! Tests specific to this backend; the shared contract is tested for all backends.

use std::io::{Read as _, Write as _};

use std::net::SocketAddr;

use super::*;
use crate::reactor::tests::{Backend, Log, connect, listening, turn_until};
use crate::socket::SocketOptions;

#[test]
fn buffers_that_run_out_delay_but_lose_nothing() {
    // Reads so large that there are only a few buffers.
    let Some((mut reactor, address)) = listening::<UringReactor>(16 << 20) else { return };
    let mut log = Log::default();
    let mut peers: Vec<_> = (0..100).map(|_| connect(address)).collect();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 100);
    reactor.turn(Some(0), &mut log).unwrap();
    for round in 1..=20 {
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        turn_until(&mut reactor, &mut log, |log| log.bytes.len() == round * 100);
    }
    assert!(reactor.starved > 0, "there were enough buffers, and nothing was tested");
}

#[test]
fn connections_of_a_reactor_that_goes_are_closed_when_it_is_gone() {
    const MANY: usize = 300;
    let Some((mut reactor, address)) = listening::<UringReactor>(4096) else { return };
    let mut log = Log::default();
    let peers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == MANY);
    drop(reactor);
    // Not later: nothing completes in the background of this thread.
    for mut peer in peers {
        peer.set_nonblocking(true).unwrap();
        let end = peer.read(&mut [0]);
        assert!(matches!(end, Ok(0)), "{end:?}");
    }
}

/// The kernel may still write into them.
#[test]
fn buffers_of_requests_whose_end_is_not_confirmed_are_never_freed() {
    const MANY: usize = 20;
    for patience in [clock::SECOND, 0] {
        let Some((mut reactor, address)) = listening::<UringReactor>(4096) else { return };
        let mut log = Log::default();
        let mut peers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == MANY);
        // Receives are armed.
        reactor.turn(Some(0), &mut log).unwrap();
        let exist = reactor.ring.buffers.witness();
        reactor.ring.patience = patience;
        drop(reactor);
        assert_eq!(exist(), patience == 0, "{patience}");
        for peer in &mut peers {
            // Where the kernel still receives, it does so into memory that is still ours.
            let _ = peer.write_all(b"too late");
        }
    }
}

/// A reactor whose first accept has failed so.
fn with_failed_accept(error: i32, log: &mut Log) -> Option<(UringReactor, SocketAddr)> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 1024, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reactor = <UringReactor as Backend>::make(4096)?;
    let error = io::Error::from_raw_os_error(error);
    reactor.add_failing(listener.into(), error, log);
    Some((reactor, address))
}

#[test]
fn an_accept_that_fails_pauses_and_is_made_again_once() {
    for error in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let mut log = Log::default();
        let Some((mut reactor, address)) = with_failed_accept(error, &mut log) else { return };
        assert!(reactor.acceptors[0].paused_until().is_some(), "error {error}");
        let mut peers: Vec<_> = (0..3).map(|_| connect(address)).collect();
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == 3);
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        turn_until(&mut reactor, &mut log, |log| log.bytes == b"xxx");
        // A second request would accept on when the first one has ended.
        reactor.stop_listening();
        assert!(std::net::TcpStream::connect(address).is_err(), "error {error}");
    }
}

#[test]
fn an_accept_that_fails_by_the_fault_of_a_peer_is_made_again_without_a_pause() {
    for error in [libc::ECONNABORTED, libc::EPROTO] {
        let mut log = Log::default();
        let Some((mut reactor, address)) = with_failed_accept(error, &mut log) else { return };
        assert_eq!(reactor.acceptors[0].paused_until(), None, "error {error}");
        let _peer = connect(address);
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    }
}
