//! What a peer sent before it closed is passed on before a send that fails thereby.

use std::io::{Read, Write};

use super::{
    Backend, Edge, EpollReactor, Log, Oneshot, PollReactor, PolledUring, UringReactor,
    accepted, for_each_backend, listening, turn_until,
};
use crate::clock::{self, SECOND};
use crate::reactor::{Event, Handler, Key, Reactor as _, ServingReactor};

for_each_backend!(the_last_words_of_a_peer_come_before_the_failed_send);

/// As [`Log`], and wants to know why.
#[derive(Default)]
struct Curious(Log);

impl<R: ServingReactor> Handler<R> for Curious {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        assert!(self.0.failed.is_none(), "nothing follows a failure");
        Handler::<R>::event(&mut self.0, reactor, key, event);
    }

    fn reads_before_failure(&self) -> bool {
        true
    }
}

fn the_last_words_of_a_peer_come_before_the_failed_send<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Curious::default();
    let mut peer = accepted(&mut reactor, address, &mut log.0);
    let key = log.0.keys[0];
    reactor.send(key, b"twelve bytes");
    peer.read_exact(&mut [0; 2]).unwrap();
    peer.write_all(b"no").unwrap();
    // With unread input a close is a reset.
    drop(peer);
    let deadline = clock::now() + 5 * SECOND;
    // A connection that was reset has no peer any more.
    while rustix::net::getpeername(reactor.socket(key).unwrap()).is_ok() {
        assert!(clock::now() < deadline, "no reset arrived in time");
        std::thread::yield_now();
    }
    reactor.send(key, b"more");
    turn_until(&mut reactor, &mut log, |log| log.0.failed.is_some());
    assert_eq!(log.0.bytes, b"no");
}
