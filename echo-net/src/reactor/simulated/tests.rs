use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::socket::SocketOptions;

const START: Nanos = 1_000;

/// Recorded events: instant, number of the connection, event.
#[derive(Default)]
struct Log {
    keys: Vec<Key>,
    told: Vec<(Nanos, usize, String)>,
    pause_on_bytes: bool,
}

impl Handler<SimulatedReactor> for Log {
    fn event(&mut self, reactor: &mut SimulatedReactor, key: Key, event: Event<'_>) {
        let connection = self.keys.iter().position(|&known| known == key).unwrap();
        let text = match event {
            Event::Connected => "connected".to_owned(),
            Event::Received(bytes) => {
                if self.pause_on_bytes {
                    reactor.pause(key);
                }
                String::from_utf8_lossy(bytes).into_owned()
            }
            Event::EndOfInput => "end".to_owned(),
            Event::Sent => "sent".to_owned(),
            Event::Failed(error) => format!("{:?}", error.kind()),
        };
        self.told.push((reactor.now(), connection, text));
    }
}

impl Log {
    /// Events since the last call, with instants relative to the start.
    fn take(&mut self) -> Vec<(Nanos, usize, String)> {
        let told = std::mem::take(&mut self.told);
        told.into_iter().map(|(at, connection, text)| (at - START, connection, text)).collect()
    }
}

/// An event of the one connection of a test.
fn told(at: Nanos, text: &str) -> (Nanos, usize, String) {
    (at, 0, text.to_owned())
}

fn options() -> ConnectOptions {
    ConnectOptions {
        stamps: false,
        target: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        source: None,
        socket: SocketOptions::default(),
    }
}

fn echo(options: EchoOptions) -> Box<dyn Peer> {
    Box::new(EchoPeer::new(options))
}

/// Runs until no event is pending.
fn run(reactor: &mut SimulatedReactor, log: &mut Log) {
    while reactor.turn(None, log).is_ok() {}
}

/// A reactor with one established connection to `peer`.
fn connected(peer: Box<dyn Peer>) -> (SimulatedReactor, Log, Key) {
    let mut peer = Some(peer);
    let mut reactor = SimulatedReactor::new(START, move |_| peer.take().unwrap());
    let key = reactor.connect(&options()).unwrap();
    let mut log = Log { keys: vec![key], ..Log::default() };
    reactor.turn(None, &mut log).unwrap();
    assert_eq!(log.take(), [told(0, "connected")]);
    (reactor, log, key)
}

/// Uses the windows of a list in turn, then an unlimited one, and records what it receives.
struct Slow {
    windows: VecDeque<Window>,
    received: Rc<RefCell<Vec<u8>>>,
}

impl Peer for Slow {
    fn window(&mut self, _: Nanos, _: usize) -> Window {
        self.windows.pop_front().unwrap_or(Window::OPEN)
    }

    fn receive(&mut self, _: Nanos, bytes: &[u8], _: &mut Script) {
        self.received.borrow_mut().extend_from_slice(bytes);
    }

    fn end_of_input(&mut self, _: Nanos, script: &mut Script) {
        self.received.borrow_mut().push(b'.');
        script.half_close(3);
    }
}

#[test]
fn the_clock_moves_only_in_turns_and_never_back() {
    let (mut reactor, mut log, key) = connected(echo(EchoOptions::after(50)));
    reactor.send(key, b"x");
    reactor.turn(Some(START + 20), &mut log).unwrap();
    assert_eq!(reactor.now(), START + 20);
    reactor.turn(Some(START + 5), &mut log).unwrap();
    assert_eq!(reactor.now(), START + 20);
    assert!(log.take().is_empty());
    reactor.turn(Some(START + 90), &mut log).unwrap();
    assert_eq!((reactor.now(), log.take()), (START + 50, vec![told(50, "x")]));
    let stuck = reactor.turn(None, &mut log).unwrap_err();
    assert!(stuck.to_string().contains("stuck"), "{stuck}");
}

#[test]
fn an_instant_in_the_past_still_tells_what_is_due() {
    let (mut reactor, mut log, key) = connected(echo(EchoOptions::after(0)));
    reactor.send(key, b"x");
    reactor.turn(Some(0), &mut log).unwrap();
    assert_eq!(log.take(), [told(0, "x")]);
}

#[test]
fn equal_instants_happen_in_the_order_of_scheduling() {
    let mut reactor = SimulatedReactor::new(START, |number| {
        echo(EchoOptions::after(if number == 1 { 4 } else { 7 }))
    });
    let keys = (0..3).map(|_| reactor.connect(&options()).unwrap()).collect();
    let mut log = Log { keys, ..Log::default() };
    reactor.turn(None, &mut log).unwrap();
    log.take();
    reactor.send(log.keys[2], b"c");
    reactor.send(log.keys[0], b"a");
    reactor.turn(Some(START + 3), &mut log).unwrap();
    reactor.send(log.keys[1], b"b");
    reactor.turn(None, &mut log).unwrap();
    assert_eq!(log.take(), [(7, 2, "c".into()), (7, 0, "a".into()), (7, 1, "b".into())]);
}

#[test]
fn connecting_succeeds_fails_or_is_never_answered() {
    let refused = io::ErrorKind::ConnectionRefused;
    let outcomes = [
        ConnectOutcome::Failed { after: 30, kind: refused },
        ConnectOutcome::Made { after: 20 },
        ConnectOutcome::Unanswered,
        ConnectOutcome::NoSocket(io::ErrorKind::AddrNotAvailable),
    ];
    let mut reactor = SimulatedReactor::new(START, move |number| {
        echo(EchoOptions { connect: outcomes[number as usize], ..EchoOptions::after(0) })
    });
    let keys = (0..3).map(|_| reactor.connect(&options()).unwrap()).collect();
    let mut log = Log { keys, ..Log::default() };
    let none = reactor.connect(&options()).unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::AddrNotAvailable);
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [(20, 1, "connected".into()), (30, 0, "ConnectionRefused".into())]);
    reactor.send(log.keys[0], b"its key names nothing");
    assert!(reactor.turn(None, &mut log).is_err());
}

#[test]
fn the_rest_of_a_partial_write_follows_and_is_told_once() {
    let received = Rc::default();
    let windows = VecDeque::from([
        Window { bytes: 2, reopens_after: Some(10) },
        Window { bytes: 1, reopens_after: Some(10) },
    ]);
    let (mut reactor, mut log, key) =
        connected(Box::new(Slow { windows, received: Rc::clone(&received) }));
    reactor.send(key, b"abcd");
    reactor.send(key, b"ef");
    reactor.finish(key);
    assert_eq!((reactor.unsent(key), received.borrow().as_slice()), (4, &b"ab"[..]));
    reactor.turn(None, &mut log).unwrap();
    assert_eq!((reactor.unsent(key), log.take()), (3, vec![]));
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(20, "sent"), told(23, "end")]);
    assert_eq!(received.borrow().as_slice(), b"abcdef.");
    reactor.send(key, b"after the end");
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(23, "BrokenPipe")]);
}

#[test]
fn what_is_sent_too_early_waits_for_the_connection() {
    let mut reactor = SimulatedReactor::new(START, |_| {
        echo(EchoOptions {
            connect: ConnectOutcome::Made { after: 9 },
            ..EchoOptions::after(0)
        })
    });
    let key = reactor.connect(&options()).unwrap();
    let mut log = Log { keys: vec![key], ..Log::default() };
    reactor.send(key, b"early");
    reactor.finish(key);
    assert_eq!(reactor.unsent(key), 5);
    reactor.turn(None, &mut log).unwrap();
    assert_eq!(log.take(), [told(9, "connected")], "what follows from it is for the next turn");
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(9, "sent"), told(9, "early"), told(9, "end")]);
}

#[test]
fn an_end_sent_too_early_reaches_the_peer_and_nothing_comes_after_the_peers_end() {
    struct Babbler;
    impl Peer for Babbler {
        fn receive(&mut self, _: Nanos, _: &[u8], _: &mut Script) {}
        fn end_of_input(&mut self, _: Nanos, script: &mut Script) {
            script.half_close(1);
            script.deliver(2, b"after the end");
        }
    }
    let mut reactor = SimulatedReactor::new(START, |_| Box::new(Babbler));
    let key = reactor.connect(&options()).unwrap();
    let mut log = Log { keys: vec![key], ..Log::default() };
    reactor.finish(key);
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(0, "connected"), told(1, "end")]);
}

#[test]
fn a_pause_holds_bytes_and_end_back_until_resumed() {
    let peer = EchoOptions { piece: 1, ..EchoOptions::after(5) };
    let (mut reactor, mut log, key) = connected(echo(peer));
    log.pause_on_bytes = true;
    reactor.send(key, b"abc");
    reactor.finish(key);
    reactor.turn(Some(START + 40), &mut log).unwrap();
    reactor.turn(Some(START + 40), &mut log).unwrap();
    assert_eq!(log.take(), [told(5, "a")]);
    log.pause_on_bytes = false;
    reactor.resume(key);
    assert!(log.take().is_empty(), "only a turn tells");
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(40, "b"), told(40, "c"), told(40, "end")]);
}

#[test]
fn a_reset_is_told_even_while_paused_and_loses_what_was_held_back() {
    let peer = EchoOptions { ending: Some((2, Ending::Reset)), ..EchoOptions::after(5) };
    let (mut reactor, mut log, key) = connected(echo(peer));
    reactor.pause(key);
    reactor.send(key, b"a");
    reactor.send(key, b"b");
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(5, "ConnectionReset")]);
}

#[test]
fn nothing_is_told_of_a_closed_connection_and_its_key_is_not_used_again() {
    let mut reactor = SimulatedReactor::new(START, |_| echo(EchoOptions::after(5)));
    let closed = reactor.connect(&options()).unwrap();
    let mut log = Log { keys: vec![closed], ..Log::default() };
    reactor.turn(None, &mut log).unwrap();
    log.take();
    reactor.send(closed, b"x");
    reactor.close(closed);
    let next = reactor.connect(&options()).unwrap();
    assert_ne!(next, closed);
    log.keys.push(next);
    run(&mut reactor, &mut log);
    assert_eq!((reactor.now(), log.take()), (START, vec![(0, 1, "connected".into())]));
    assert!(reactor.tcp_info(next).is_none() && reactor.socket_options(next).is_none());
}

#[test]
fn a_serial_echo_takes_its_time_for_each_message() {
    let peer = EchoOptions { message: Some(2), serial: true, ..EchoOptions::after(10) };
    let (mut reactor, mut log, key) = connected(echo(peer));
    reactor.send(key, b"aabbc");
    reactor.turn(Some(START + 5), &mut log).unwrap();
    reactor.send(key, b"c");
    run(&mut reactor, &mut log);
    assert_eq!(log.take(), [told(10, "aa"), told(20, "bb"), told(30, "cc")]);
}

#[test]
fn an_echo_can_skip_a_reply_fall_mute_or_end() {
    let peer = |ending| EchoOptions {
        message: Some(1),
        skip_every: Some(2),
        ending: Some((3, ending)),
        ..EchoOptions::after(1)
    };
    for (ending, last) in [
        (Ending::Mute, None),
        (Ending::HalfClose, Some("end")),
        (Ending::Reset, Some("ConnectionReset")),
    ] {
        let (mut reactor, mut log, key) = connected(echo(peer(ending)));
        reactor.send(key, b"abcde");
        run(&mut reactor, &mut log);
        let expected: Vec<_> =
            ["a", "c"].into_iter().chain(last).map(|text| told(1, text)).collect();
        assert_eq!(log.take(), expected, "{ending:?}");
    }
}

proptest! {
    #[test]
    fn bytes_arrive_whole_and_in_order(
        sends in prop::collection::vec(prop::collection::vec(b'a'..=b'm', 1..40), 1..12),
        windows in prop::collection::vec((0_usize..9, 0_u64..20), 0..60),
        (piece, delay, jitter, seed) in (1_usize..9, 0_u64..30, 0_u64..50, any::<u64>()),
        resume_every in 1_usize..6,
    ) {
        struct Narrow(EchoPeer, Vec<(usize, Nanos)>);
        impl Peer for Narrow {
            fn window(&mut self, _: Nanos, _: usize) -> Window {
                self.1.pop().map_or(Window::OPEN, |(bytes, after)| {
                    Window { bytes, reopens_after: Some(after) }
                })
            }
            fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
                self.0.receive(now, bytes, script);
            }
            fn end_of_input(&mut self, now: Nanos, script: &mut Script) {
                self.0.end_of_input(now, script);
            }
        }
        let options = EchoOptions { jitter, seed, piece, ..EchoOptions::after(delay) };
        let (mut reactor, mut log, key) = connected(Box::new(Narrow(EchoPeer::new(options), windows)));
        log.pause_on_bytes = true;
        for (number, bytes) in sends.iter().enumerate() {
            reactor.send(key, bytes);
            reactor.turn(Some(reactor.now() + 5), &mut log).unwrap();
            if number % resume_every == 0 {
                reactor.resume(key);
            }
        }
        reactor.finish(key);
        log.pause_on_bytes = false;
        reactor.resume(key);
        run(&mut reactor, &mut log);
        let told: Vec<_> = log.take().into_iter().map(|(.., text)| text).collect();
        let echoed: String = told.iter().filter(|text| *text != "sent").cloned().collect();
        let sent = sends.concat();
        prop_assert_eq!(echoed, String::from_utf8(sent).unwrap() + "end");
    }
}
