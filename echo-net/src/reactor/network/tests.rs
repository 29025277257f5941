use std::io;
use std::os::fd::OwnedFd;

use super::*;
use crate::clock::{MILLISECOND, SECOND};
use crate::reactor::{Event, Handler, Key, Reactor, ServingReactor};
use crate::socket::ConnectOptions;
use crate::socket::SocketOptions;

/// Records events; as a server it echoes and ends with its peer.
#[derive(Default)]
struct Recorder {
    echoes: bool,
    received: Vec<u8>,
    ended: bool,
    failed: Option<io::ErrorKind>,
    connected: bool,
    keys: Vec<Key>,
}

impl<'a> Handler<NetworkReactor<'a>> for Recorder {
    fn event(&mut self, reactor: &mut NetworkReactor<'a>, key: Key, event: Event<'_>) {
        match event {
            Event::Connected => self.connected = true,
            Event::Received(bytes) => {
                self.received.extend_from_slice(bytes);
                if self.echoes {
                    reactor.send(key, bytes);
                }
            }
            Event::EndOfInput => {
                self.ended = true;
                if self.echoes {
                    reactor.finish(key);
                }
            }
            Event::Sent => {}
            Event::Failed(error) => self.failed = Some(error.kind()),
        }
    }

    fn accepted(
        &mut self,
        reactor: &mut NetworkReactor<'a>,
        socket: OwnedFd,
        _peer: crate::address::PeerAddress,
    ) {
        self.keys.push(reactor.adopt(socket).unwrap());
    }
}

struct Pair {
    network: Network,
    server: Rc<RefCell<(NetworkReactor<'static>, Recorder)>>,
    client: NetworkReactor<'static>,
    heard: Recorder,
    key: Key,
}

fn options() -> ConnectOptions {
    ConnectOptions {
        target: std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        source: None,
        socket: SocketOptions::default(),
        stamps: false,
    }
}

impl Pair {
    fn new(seed: u64, conditions: Conditions) -> Self {
        let network = Network::new(SECOND, seed, conditions);
        let mut server = NetworkReactor::new(&network).unwrap();
        server.accept_connections();
        let echoing = Recorder { echoes: true, ..Recorder::default() };
        let server = Rc::new(RefCell::new((server, echoing)));
        let far = Rc::clone(&server);
        let client = NetworkReactor::new(&network).unwrap();
        let mut client = client.leading(Box::new(move || {
            let (reactor, handler) = &mut *far.borrow_mut();
            while reactor.is_ready() {
                reactor.turn(None, handler).unwrap();
            }
            None
        }));
        let key = client.connect(&options()).unwrap();
        Self { network, server, client, heard: Recorder::default(), key }
    }

    /// Until `done`, or for a while.
    fn run(&mut self, done: impl Fn(&Recorder) -> bool) {
        let until = self.network.now() + 100 * SECOND;
        while !done(&self.heard) && self.network.now() < until {
            self.client.turn(Some(until), &mut self.heard).unwrap();
        }
    }
}

fn text() -> Vec<u8> {
    (0..5000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn bytes_and_the_end_pass_whole_and_in_order_through_any_buffers() {
    for seed in 0..200 {
        let mut random = super::super::random::Random::new(seed);
        let conditions = Conditions {
            jitter: random.within(0..=MILLISECOND),
            segment: random.pick(&[3, 100, 70_000]),
            send_buffer: random.pick(&[1, 64, 100_000]),
            receive_buffer: random.pick(&[1, 64, 100_000]),
            stalls: random.pick(&[0, 500]),
            ..Conditions::FAIR
        };
        let mut pair = Pair::new(seed, conditions);
        let sent = text()[..random.within(1..=2000) as usize].to_vec();
        pair.client.send(pair.key, &sent);
        pair.client.finish(pair.key);
        pair.run(|heard| heard.ended);
        assert!(pair.heard.connected && pair.heard.received == sent, "seed {seed}");
        assert!(pair.server.borrow().1.ended, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let conditions = Conditions {
            jitter: MILLISECOND,
            segment: 50,
            resets: 100,
            stalls: 20,
            ..Conditions::FAIR
        };
        let mut pair = Pair::new(seed, conditions);
        pair.client.send(pair.key, &text());
        pair.client.finish(pair.key);
        pair.run(|heard| heard.ended || heard.failed.is_some());
        (pair.network.now(), pair.network.faults(), pair.heard.received)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_close_with_unread_input_resets_and_destroys_what_was_not_sent() {
    let mut pair =
        Pair::new(1, Conditions { receive_buffer: 100, send_buffer: 10, ..Conditions::FAIR });
    pair.run(|heard| heard.connected);
    pair.server.borrow_mut().1.echoes = false;
    pair.client.send(pair.key, b"unread");
    {
        let (server, recorder) = &mut *pair.server.borrow_mut();
        let key = recorder.keys[0];
        server.pause(key);
        server.send(key, &[b'x'; 10_000]);
    }
    pair.network.advance(pair.network.now() + 1);
    let until = pair.network.now() + MILLISECOND;
    while pair.network.now() < until {
        pair.client.turn(Some(until), &mut pair.heard).unwrap();
        pair.network.advance(pair.network.now() + MILLISECOND);
    }
    {
        let (server, recorder) = &mut *pair.server.borrow_mut();
        server.close(recorder.keys[0]);
    }
    pair.run(|heard| heard.failed.is_some());
    assert_eq!(pair.heard.failed, Some(io::ErrorKind::ConnectionReset));
    assert!(pair.heard.received.len() < 10_000);
    let closing = pair.network.inspect(|links| links[0].closed[Side::Server]).unwrap();
    assert!(closing.unread == 6 && closing.unsent > 0, "{closing:?}");
}

#[test]
fn without_a_listener_connections_are_refused() {
    let mut pair = Pair::new(1, Conditions::FAIR);
    pair.server.borrow_mut().0.stop_listening();
    pair.run(|heard| heard.failed.is_some());
    assert_eq!(pair.heard.failed, Some(io::ErrorKind::ConnectionRefused));
}
