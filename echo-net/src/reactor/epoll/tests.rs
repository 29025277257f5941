use super::*;
use crate::clock::MILLISECOND;
use crate::socket::SocketOptions;
use std::io::{Read, Write};
use std::net::TcpStream;

#[derive(Default)]
struct Log {
    keys: Vec<Key>,
    connected: usize,
    bytes: Vec<u8>,
    ended: bool,
    sent: usize,
    failed: Option<io::Error>,
    woken: usize,
    echo: bool,
}

impl Handler<EpollReactor> for Log {
    fn event(&mut self, reactor: &mut EpollReactor, key: Key, event: Event<'_>) {
        match event {
            Event::Connected => self.connected += 1,
            Event::Received(bytes) => {
                self.bytes.extend_from_slice(bytes);
                if self.echo {
                    reactor.send(key, bytes);
                }
            }
            Event::EndOfInput => self.ended = true,
            Event::Sent => self.sent += 1,
            Event::Failed(error) => self.failed = Some(error),
        }
    }

    fn accepted(&mut self, reactor: &mut EpollReactor, socket: OwnedFd, _: SocketAddr) {
        self.keys.push(reactor.adopt(socket).unwrap());
    }

    fn woken(&mut self, _: &mut EpollReactor) {
        self.woken += 1;
    }
}

fn listening() -> (EpollReactor, SocketAddr) {
    let options = SocketOptions::default();
    let listener =
        socket::listen(SocketAddr::from(([127, 0, 0, 1], 0)), 16, false, &options).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reactor = EpollReactor::new(4096).unwrap();
    reactor.listen(listener).unwrap();
    (reactor, address)
}

fn turn_until(reactor: &mut EpollReactor, log: &mut Log, done: impl Fn(&Log) -> bool) {
    let deadline = clock::now() + 5 * SECOND;
    while !done(log) {
        assert!(clock::now() < deadline, "nothing happened in time");
        reactor.turn(Some(clock::now() + 10 * MILLISECOND), log).unwrap();
    }
}

#[test]
fn accepts_echoes_and_sees_the_half_close() {
    let (mut reactor, address) = listening();
    let mut log = Log { echo: true, ..Log::default() };
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"hello").unwrap();
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"hello");
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    turn_until(&mut reactor, &mut log, |log| log.ended);
    reactor.finish(log.keys[0]);
    let mut echoed = Vec::new();
    peer.read_to_end(&mut echoed).unwrap();
    assert_eq!(echoed, b"hello");
}

#[test]
fn queues_what_the_kernel_does_not_take_and_says_when_it_is_gone() {
    let (mut reactor, address) = listening();
    let mut log = Log::default();
    let mut peer = TcpStream::connect(address).unwrap();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    let much = vec![7; 16 << 20];
    reactor.send(log.keys[0], &much);
    reactor.finish(log.keys[0]);
    assert!(reactor.unsent(log.keys[0]) > 0);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    turn_until(&mut reactor, &mut log, |log| log.sent == 1);
    assert_eq!(reactor.unsent(log.keys[0]), 0);
    assert!(reader.join().unwrap() == much);
}

#[test]
fn a_paused_connection_is_not_read_and_its_reset_is_told() {
    let (mut reactor, address) = listening();
    let mut log = Log::default();
    let mut peer = TcpStream::connect(address).unwrap();
    turn_until(&mut reactor, &mut log, |log| log.keys.len() == 1);
    reactor.pause(log.keys[0]);
    peer.write_all(b"x").unwrap();
    reactor.turn(Some(clock::now() + 20 * MILLISECOND), &mut log).unwrap();
    assert!(log.bytes.is_empty());
    reactor.resume(log.keys[0]);
    turn_until(&mut reactor, &mut log, |log| log.bytes == b"x");
    reactor.pause(log.keys[0]);
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    turn_until(&mut reactor, &mut log, |log| log.failed.is_some());
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn connecting_tells_success_and_refusal() {
    let (mut server, address) = listening();
    let mut client = EpollReactor::new(4096).unwrap();
    let mut options =
        ConnectOptions { target: address, source: None, socket: SocketOptions::default() };
    let mut log = Log::default();
    client.connect(&options).unwrap();
    turn_until(&mut client, &mut log, |log| log.connected == 1);
    server.stop_listening();
    options.target = SocketAddr::from(([127, 0, 0, 1], 1));
    client.connect(&options).unwrap();
    turn_until(&mut client, &mut log, |log| log.failed.is_some());
    assert_eq!(log.failed.unwrap().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_waker_ends_the_wait_of_another_thread() {
    let (mut reactor, _) = listening();
    let waker = reactor.waker();
    let thread = std::thread::spawn(move || waker.wake());
    let mut log = Log::default();
    reactor.turn(Some(clock::now() + 5 * SECOND), &mut log).unwrap();
    thread.join().unwrap();
    assert_eq!(log.woken, 1);
}

#[test]
fn a_deadline_below_a_millisecond_is_kept() {
    let (mut reactor, _) = listening();
    let mut log = Log::default();
    // The least of many: what the timer can do, whatever else the machine is doing.
    let least = (0..50)
        .map(|_| {
            let begin = clock::now();
            reactor.turn(Some(begin + 200_000), &mut log).unwrap();
            clock::now() - begin
        })
        .min();
    assert!(least.is_some_and(|waited| (200_000..1_000_000).contains(&waited)), "{least:?}");
}
