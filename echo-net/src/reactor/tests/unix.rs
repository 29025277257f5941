//! Unix-domain sockets, on each backend for real sockets.

use std::os::unix::net::UnixStream;

use super::*;
use crate::address::{SocketAddress, UnixAddress};
use crate::listener::listen_at;

for_each_backend!(
    a_unix_listener_serves_like_one_of_tcp_and_knows_its_peers_by_their_user,
    connecting_to_a_unix_socket_tells_success_and_refusal_and_a_full_backlog,
    what_a_unix_peer_has_not_read_is_seen,
);

/// A reactor that listens at a free name.
fn listening_at_a_name<R: Backend>(backlog: u32) -> Option<(R::Reactor, SocketAddress)> {
    let mut reactor = R::make(4096)?;
    let (listener, _) = listen_at(UnixAddress::named(b"").unwrap(), backlog).unwrap();
    let address = SocketAddress::of_local(&listener).unwrap();
    reactor.listen(listener).unwrap();
    Some((reactor, address))
}

fn options(target: SocketAddress) -> ConnectOptions {
    ConnectOptions { target, source: None, socket: SocketOptions::default(), stamps: true }
}

fn connected(target: SocketAddress) -> UnixStream {
    let peer = UnixStream::from(socket::begin_connect(&options(target)).unwrap());
    peer.set_nonblocking(false).unwrap();
    peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    peer
}

fn a_unix_listener_serves_like_one_of_tcp_and_knows_its_peers_by_their_user<R: Backend>() {
    let Some((mut reactor, address)) = listening_at_a_name::<R>(16) else { return };
    let mut log = Log::echoing();
    let mut peer = connected(address);
    peer.write_all(b"hello").unwrap();
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"hello");
    let user = rustix::process::getuid().as_raw();
    assert_eq!(log.accepted, [PeerAddress::Unix(Some(user))]);
    let mut echo = [0; 5];
    peer.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
    peer.write_all(b"rest").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let unread = crate::unread::read(reactor.socket(log.keys[0]).unwrap()).unwrap();
    assert!(unread.ended);
    turn_until(&mut reactor, &mut log, |log| log.ended == 1);
    reactor.finish(log.keys[0]);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"rest");
    reactor.stop_listening();
    let refused = socket::begin_connect(&options(address)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

fn connecting_to_a_unix_socket_tells_success_and_refusal_and_a_full_backlog<R: Backend>() {
    let Some((mut server, address)) = listening_at_a_name::<R>(2) else { return };
    let Some(mut client) = R::make(4096) else { return };
    let (mut log, mut echoing) = (Log::default(), Log::echoing());
    let key = client.connect(&options(address)).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    client.send(key, b"hello");
    turn_until(&mut server, &mut echoing, |log| log.bytes == b"hello");
    turn_until(&mut client, &mut log, |log| log.bytes == b"hello");
    assert!(client.tcp_info(key).is_none() && client.delivery(key).unwrap().all);
    drop(server);
    turn_until(&mut client, &mut log, |log| log.ended == 1 || log.failed.is_some());
    let refused = client.connect(&options(address)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    // Nobody accepts.
    let (listener, _) = listen_at(UnixAddress::named(b"").unwrap(), 1).unwrap();
    let address = SocketAddress::of_local(&listener).unwrap();
    let mut tried = (0..4).map(|_| client.connect(&options(address)));
    let full = tried.find_map(Result::err).unwrap();
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
}

fn what_a_unix_peer_has_not_read_is_seen<R: Backend>() {
    let Some((mut reactor, address)) = listening_at_a_name::<R>(16) else { return };
    let mut log = Log::default();
    let mut peer = connected(address);
    turn_until(&mut reactor, &mut log, |log| !log.keys.is_empty());
    let key = log.keys[0];
    reactor.send(key, &vec![7; 1 << 20]);
    assert!(reactor.unsent(key) > 0, "the kernel takes a megabyte at once");
    let before = reactor.delivery(key).unwrap();
    peer.read_exact(&mut vec![0; 100_000]).unwrap();
    assert!(reactor.delivery(key).unwrap().progress(0) > before.progress(0));
    let mut rest = vec![0; (1 << 20) - 100_000];
    let reader = std::thread::spawn(move || peer.read_exact(&mut rest).map(|()| peer));
    turn_until(&mut reactor, &mut log, |log| log.sent == 1);
    let _peer = reader.join().unwrap().unwrap();
    assert!(reactor.delivery(key).unwrap().progress(0) > before.progress(0));
}
