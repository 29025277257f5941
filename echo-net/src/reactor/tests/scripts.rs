//! Random scripts of pause, resume, finish and close in any order: everything received is
//! echoed completely and in order.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;

use proptest::prelude::*;
use slotmap::SecondaryMap;

use super::{
    Backend, Edge, EpollReactor, Oneshot, PollReactor, PolledUring, UringReactor, connect,
    for_each_backend, listening,
};
use crate::clock::{self, MILLISECOND, SECOND};
use crate::reactor::{Event, Handler, Key, ServingReactor};

for_each_backend!(every_byte_is_echoed_in_order_whatever_the_script);

#[derive(Debug, Clone)]
enum Step {
    /// The peer writes this many bytes of its own pattern.
    Write(usize, usize),
    Pause(usize),
    Resume(usize),
    /// The handler pauses at the next bytes and resumes after this many turns.
    PauseAtBytes(usize),
    Turn,
    /// The peer closes without reading.
    Vanish(usize),
}

const PEERS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peer = 0..PEERS;
    let step = prop_oneof![
        4 => (peer.clone(), prop_oneof![1..100_usize, 1..200_000_usize])
            .prop_map(|(peer, bytes)| Step::Write(peer, bytes)),
        2 => peer.clone().prop_map(Step::Pause),
        2 => peer.clone().prop_map(Step::Resume),
        2 => peer.clone().prop_map(Step::PauseAtBytes),
        6 => Just(Step::Turn),
        1 => (PEERS - 1..PEERS).prop_map(Step::Vanish),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Default)]
struct Echo {
    keys: Vec<Key>,
    paused: SecondaryMap<Key, ()>,
    pause_at_bytes: SecondaryMap<Key, ()>,
    ended: usize,
    failed: usize,
}

impl<R: ServingReactor> Handler<R> for Echo {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        match event {
            Event::Received(bytes) => {
                assert!(!self.paused.contains_key(key), "told while it is paused");
                reactor.send(key, bytes);
                if self.pause_at_bytes.remove(key).is_some() {
                    reactor.pause(key);
                    self.paused.insert(key, ());
                }
            }
            Event::EndOfInput => {
                assert!(!self.paused.contains_key(key), "told while it is paused");
                reactor.finish(key);
                self.ended += 1;
            }
            Event::Failed(_) => self.failed += 1,
            Event::Sent | Event::Connected => {}
        }
    }

    fn accepted(
        &mut self,
        reactor: &mut R,
        socket: std::os::fd::OwnedFd,
        _: crate::address::PeerAddress,
    ) {
        self.keys.push(reactor.adopt(socket).unwrap());
    }
}

/// A peer that writes from one thread and reads on another.
struct Peer {
    stream: Option<TcpStream>,
    writer: std::sync::mpsc::Sender<Vec<u8>>,
    writing: JoinHandle<()>,
    reading: JoinHandle<Vec<u8>>,
    written: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let (writer, texts) = std::sync::mpsc::channel::<Vec<u8>>();
        let (mut output, mut input) =
            (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let writing = std::thread::spawn(move || {
            while let Ok(text) = texts.recv() {
                if output.write_all(&text).is_err() {
                    return;
                }
            }
            let _ = output.shutdown(Shutdown::Write);
        });
        let reading = std::thread::spawn(move || {
            let mut echoed = Vec::new();
            // A peer that disconnected is not checked.
            let _ = input.read_to_end(&mut echoed);
            echoed
        });
        Self { stream: Some(stream), writer, writing, reading, written: Vec::new() }
    }

    fn write(&mut self, bytes: usize) {
        if self.stream.is_some() {
            let begin = self.written.len();
            self.written.extend((begin..begin + bytes).map(|at| (at % 251) as u8));
            self.writer.send(self.written[begin..].to_vec()).unwrap();
        }
    }

    fn vanish(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn play<R: ServingReactor>(mut reactor: R, address: std::net::SocketAddr, steps: &[Step]) {
    let mut echo = Echo::default();
    let mut peers = Vec::new();
    for number in 0..PEERS {
        peers.push(Peer::new(connect(address)));
        super::turn_until(&mut reactor, &mut echo, |echo| echo.keys.len() > number);
    }
    for step in steps {
        match *step {
            Step::Write(peer, bytes) => peers[peer].write(bytes),
            Step::Pause(peer) => {
                reactor.pause(echo.keys[peer]);
                echo.paused.insert(echo.keys[peer], ());
            }
            Step::Resume(peer) => {
                echo.paused.remove(echo.keys[peer]);
                reactor.resume(echo.keys[peer]);
            }
            Step::PauseAtBytes(peer) => drop(echo.pause_at_bytes.insert(echo.keys[peer], ())),
            Step::Turn => {
                reactor.turn(Some(clock::now() + MILLISECOND / 2), &mut echo).unwrap();
            }
            Step::Vanish(peer) => peers[peer].vanish(),
        }
    }
    echo.pause_at_bytes.clear();
    for &key in &echo.keys {
        echo.paused.remove(key);
        reactor.resume(key);
    }
    let peers: Vec<_> = peers
        .into_iter()
        .map(|Peer { stream, writing, reading, written, writer }| {
            drop(writer);
            (stream.is_some(), writing, reading, written)
        })
        .collect();
    let deadline = clock::now() + 20 * SECOND;
    while !peers
        .iter()
        .all(|(_, writing, reading, _)| writing.is_finished() && reading.is_finished())
    {
        assert!(clock::now() < deadline, "a peer still waits for its echo");
        reactor.turn(Some(clock::now() + MILLISECOND), &mut echo).unwrap();
    }
    for (stayed, _, reading, written) in peers {
        let echoed = reading.join().unwrap();
        if stayed {
            assert!(echoed == written, "{} of {} bytes", echoed.len(), written.len());
        } else {
            assert!(written.starts_with(&echoed));
        }
    }
}

fn every_byte_is_echoed_in_order_whatever_the_script<R: Backend>() {
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..<_>::default() };
    // Small reads give many completions, large ones few buffers.
    proptest!(config, |(steps in steps(), size in prop_oneof![Just(100_usize), Just(4 << 20)])| {
        let Some((reactor, address)) = listening::<R>(size) else { return Ok(()) };
        play(reactor, address, &steps);
    });
}
