//! Contract tests that run on each backend for real sockets. A backend that is unavailable on
//! this machine is skipped by name.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use super::epoll::{Edge, EpollReactor, Oneshot};
use super::poll::PollReactor;
use super::uring::UringReactor;
use super::*;
use crate::clock::{self, MILLISECOND, SECOND};
use crate::socket::{self, SocketOptions};

mod backends;
mod fastopen;
mod last_words;
mod listeners;
mod scripts;
mod settling;
mod stamps;
mod unix;

use backends::for_each_backend;
pub(super) use backends::{Backend, PolledUring};

for_each_backend!(
    accepts_echoes_and_sees_the_half_close,
    queues_what_the_kernel_does_not_take_and_says_when_it_is_gone,
    a_paused_connection_stops_its_peer,
    a_paused_connection_is_not_read_and_its_reset_is_told,
    a_reset_is_told_to_one_that_waits_to_send,
    connecting_tells_success_and_refusal,
    a_waker_ends_the_wait_of_another_thread,
    a_deadline_below_a_millisecond_is_kept,
    a_connection_that_is_closed_amid_a_flood_ends,
    a_key_of_a_closed_connection_names_nothing,
    a_reactor_that_goes_ends_its_connections,
);

#[derive(Default)]
pub(super) struct Log {
    pub(super) keys: Vec<Key>,
    accepted: Vec<PeerAddress>,
    connected: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) ended: usize,
    sent: usize,
    failed: Option<io::Error>,
    woken: usize,
    echo: bool,
    close_on_bytes: bool,
}

impl Log {
    /// Of one that sends back what it receives.
    pub(super) fn echoing() -> Self {
        Self { echo: true, ..Self::default() }
    }
}

impl<R: ServingReactor> Handler<R> for Log {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        match event {
            Event::Connected => self.connected += 1,
            Event::Received(bytes) => {
                self.bytes.extend_from_slice(bytes);
                if self.echo {
                    reactor.send(key, bytes);
                }
                if self.close_on_bytes {
                    reactor.close(key);
                }
            }
            Event::EndOfInput => self.ended += 1,
            Event::Sent => self.sent += 1,
            Event::Failed(error) => self.failed = Some(error),
        }
    }

    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: PeerAddress) {
        self.accepted.push(peer);
        self.keys.push(reactor.adopt(socket).unwrap());
    }

    fn woken(&mut self, _: &mut R) {
        self.woken += 1;
    }
}

pub(super) fn listening<R: Backend>(read_buffer: usize) -> Option<(R::Reactor, SocketAddr)> {
    let options = SocketOptions::default();
    let listener =
        socket::listen(SocketAddr::from(([127, 0, 0, 1], 0)), 1024, false, &options).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reactor = R::make(read_buffer)?;
    reactor.listen(listener).unwrap();
    Some((reactor, address))
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    peer
}

pub(super) fn turn_until<R: ServingReactor, H: Handler<R>>(
    reactor: &mut R,
    handler: &mut H,
    done: impl Fn(&H) -> bool,
) {
    let deadline = clock::now() + 5 * SECOND;
    while !done(handler) {
        assert!(clock::now() < deadline, "nothing happened in time");
        reactor.turn(Some(clock::now() + 10 * MILLISECOND), handler).unwrap();
    }
}

/// An accepted connection.
fn accepted<R: ServingReactor>(
    reactor: &mut R,
    address: SocketAddr,
    log: &mut Log,
) -> TcpStream {
    let (peer, before) = (connect(address), log.keys.len());
    turn_until(reactor, log, |log| log.keys.len() > before);
    peer
}

fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
}

fn accepts_echoes_and_sees_the_half_close<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::echoing();
    let mut peer = connect(address);
    peer.write_all(b"hello").unwrap();
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"hello");
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    turn_until(&mut reactor, &mut log, |log| log.ended == 1);
    reactor.finish(log.keys[0]);
    let mut echoed = Vec::new();
    peer.read_to_end(&mut echoed).unwrap();
    assert_eq!(echoed, b"hello");
}

fn queues_what_the_kernel_does_not_take_and_says_when_it_is_gone<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut peer = accepted(&mut reactor, address, &mut log);
    reactor.send(log.keys[0], b"little");
    assert_eq!(reactor.unsent(log.keys[0]), 0);
    let much = vec![7; 16 << 20];
    reactor.send(log.keys[0], &much);
    reactor.finish(log.keys[0]);
    assert!(reactor.unsent(log.keys[0]) > 0);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    turn_until(&mut reactor, &mut log, |log| log.sent > 0);
    assert_eq!(reactor.unsent(log.keys[0]), 0);
    assert!(reader.join().unwrap() == [b"little".to_vec(), much].concat());
    assert_eq!(log.sent, 1, "only for what had to be queued");
}

fn a_paused_connection_is_not_read_and_its_reset_is_told<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut peer = accepted(&mut reactor, address, &mut log);
    reactor.pause(log.keys[0]);
    peer.write_all(b"x").unwrap();
    reactor.turn(Some(clock::now() + 20 * MILLISECOND), &mut log).unwrap();
    assert!(log.bytes.is_empty());
    reactor.resume(log.keys[0]);
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"x");
    reactor.pause(log.keys[0]);
    reset(peer);
    turn_until(&mut reactor, &mut log, |log| log.failed.is_some());
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::ConnectionReset);
}

fn a_paused_connection_stops_its_peer<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(64) else { return };
    let mut log = Log::default();
    let mut peer = connect(address);
    // More than one receive.
    peer.write_all(&vec![7; 100_000]).unwrap();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    reactor.pause(log.keys[0]);
    peer.set_nonblocking(true).unwrap();
    let much = vec![7; 1 << 20];
    let (mut written, mut blocked) = (100_000, 0);
    while blocked < 20 {
        match peer.write(&much) {
            Ok(taken) => (written, blocked) = (written + taken, 0),
            Err(_) => blocked += 1,
        }
        reactor.turn(Some(clock::now() + MILLISECOND), &mut log).unwrap();
        assert!(written < 64 << 20, "the peer of a paused connection goes on");
    }
    assert!(log.bytes.is_empty());
    reactor.resume(log.keys[0]);
    turn_until(&mut reactor, &mut log, |log| log.bytes.len() == written);
}

fn a_reset_is_told_to_one_that_waits_to_send<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let peer = accepted(&mut reactor, address, &mut log);
    reactor.send(log.keys[0], &vec![7; 16 << 20]);
    reactor.pause(log.keys[0]);
    reactor.turn(Some(clock::now() + MILLISECOND), &mut log).unwrap();
    // The peer's half-close is not a reset, and is not reported while reading is paused.
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    reactor.turn(Some(clock::now() + MILLISECOND), &mut log).unwrap();
    assert!(log.ended == 0 && log.failed.is_none());
    reset(peer);
    turn_until(&mut reactor, &mut log, |log| log.failed.is_some());
    // Linux reports a reset after the end of input this way.
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::BrokenPipe);
}

fn connecting_tells_success_and_refusal<R: Backend>() {
    let Some((mut server, address)) = listening::<R>(4096) else { return };
    let Some(mut client) = R::make(4096) else { return };
    let mut options = ConnectOptions {
        target: address.into(),
        source: None,
        socket: SocketOptions::default(),
        stamps: false,
    };
    let mut log = Log::default();
    client.connect(&options).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    server.stop_listening();
    options.target = SocketAddr::from(([127, 0, 0, 1], 1)).into();
    client.connect(&options).unwrap();
    turn_until(&mut client, &mut log, |log| log.failed.is_some());
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::ConnectionRefused);
}

fn a_waker_ends_the_wait_of_another_thread<R: Backend>() {
    let Some((mut reactor, _)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    for times in 1..=3 {
        let waker = reactor.waker();
        let thread = std::thread::spawn(move || waker.wake());
        turn_until(&mut reactor, &mut log, |log| log.woken == times);
        thread.join().unwrap();
    }
    reactor.turn(Some(clock::now() + MILLISECOND), &mut log).unwrap();
    assert_eq!(log.woken, 3, "once for each use");
}

fn a_deadline_below_a_millisecond_is_kept<R: Backend>() {
    let Some((mut reactor, _)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    // The minimum of several tries: the timer's precision, whatever the load of the machine.
    let least = (0..50)
        .map(|_| {
            let begin = clock::now();
            reactor.turn(Some(begin + 200_000), &mut log).unwrap();
            clock::now() - begin
        })
        .min();
    assert!(least.is_some_and(|waited| (200_000..1_000_000).contains(&waited)), "{least:?}");
}

fn a_connection_that_is_closed_amid_a_flood_ends<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(64) else { return };
    let mut log = Log { close_on_bytes: true, ..Log::default() };
    for number in 0..20 {
        let mut peer = connect(address);
        let (sender, receiver) = std::sync::mpsc::channel();
        let flood = std::thread::spawn(move || {
            let much = vec![7; 100_000];
            // More than one receive. The error comes eventually.
            while peer.write(&much).is_ok() {
                let _ = sender.send(());
            }
        });
        receiver.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
        turn_until(&mut reactor, &mut log, |log| log.bytes.len() > number * 64);
        let deadline = clock::now() + 5 * SECOND;
        while !flood.is_finished() {
            assert!(clock::now() < deadline, "the peer of a closed connection goes on");
            reactor.turn(Some(clock::now() + MILLISECOND), &mut log).unwrap();
        }
    }
    assert!(log.failed.is_none(), "no event follows a close");
}

fn a_key_of_a_closed_connection_names_nothing<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::echoing();
    let mut first = accepted(&mut reactor, address, &mut log);
    reactor.turn(Some(0), &mut log).unwrap();
    let old = log.keys[0];
    reactor.close(old);
    // Takes over its slot and its descriptor number.
    let mut second = accepted(&mut reactor, address, &mut log);
    reactor.send(old, b"stray");
    reactor.pause(old);
    reactor.close(old);
    assert_eq!((reactor.unsent(old), reactor.unread(old)), (0, Unread::default()));
    second.write_all(b"hello").unwrap();
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"hello");
    let mut echoed = [0; 5];
    second.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
    assert_eq!(first.read(&mut echoed).unwrap(), 0, "it sees the end");
}

fn a_reactor_that_goes_ends_its_connections<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut peers: Vec<_> =
        (0..30).map(|_| accepted(&mut reactor, address, &mut log)).collect();
    drop(reactor);
    for peer in &mut peers {
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0, "at once");
    }
}
