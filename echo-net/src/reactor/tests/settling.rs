//! What has arrived, on each backend: all of it is passed on, or counted.

use super::*;

for_each_backend!(
    one_look_takes_all_that_is_there,
    what_is_unread_is_counted_wherever_it_is,
    what_has_arrived_is_known_once_it_has_settled,
);

fn one_look_takes_all_that_is_there<R: Backend>() {
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    let mut log = Log::default();
    let mut peers: Vec<_> = (0..100).map(|_| connect(address)).collect();
    look::<R>(&mut reactor, &mut log, |log| log.keys.len() == 100);
    assert_eq!(log.keys.len(), 100);
    // From here on the receive requests are with the kernel.
    reactor.turn(Some(0), &mut log).unwrap();
    for peer in &mut peers {
        peer.write_all(b"x").unwrap();
    }
    look::<R>(&mut reactor, &mut log, |log| log.bytes.len() == 100);
    assert_eq!(log.bytes.len(), 100);
}

/// One turn without waiting; more of a backend that leaves something to others.
pub(super) fn look<R: Backend>(
    reactor: &mut R::Reactor,
    log: &mut Log,
    done: impl Fn(&Log) -> bool,
) {
    if R::IS_PROMPT {
        reactor.turn(Some(0), log).unwrap();
    } else {
        turn_until(reactor, log, done);
    }
}

/// What had arrived when it settled has been passed on, or is counted.
fn what_has_arrived_is_known_once_it_has_settled<R: Backend>() {
    const PEERS: usize = 20;
    const SENT: usize = 30_000;
    let Some((mut reactor, address)) = listening::<R>(4096) else { return };
    for turns in 0..10 {
        let mut log = Log::default();
        let mut peers: Vec<_> = (0..PEERS).map(|_| connect(address)).collect();
        for peer in &mut peers {
            peer.write_all(&[7; SENT]).unwrap();
            reactor.turn(Some(0), &mut log).unwrap();
        }
        peers[0].shutdown(std::net::Shutdown::Write).unwrap();
        // Before, while and after everything is received.
        for _ in 0..turns {
            reactor.turn(Some(0), &mut log).unwrap();
        }
        reactor.settle(&mut log).unwrap();
        assert_eq!(log.keys.len(), PEERS, "after {turns} turns");
        let unread: Vec<Unread> = log.keys.iter().map(|key| reactor.unread(*key)).collect();
        let count: usize = unread.iter().map(|unread| unread.bytes).sum();
        assert_eq!(log.bytes.len() + count, PEERS * SENT, "after {turns} turns");
        assert!(log.ended == 1 || unread[0].ended, "after {turns} turns");
        // It goes on.
        turn_until(&mut reactor, &mut log, |log| {
            log.bytes.len() == PEERS * SENT && log.ended == 1
        });
        peers.push(connect(address));
        turn_until(&mut reactor, &mut log, |log| log.keys.len() == PEERS + 1);
        for key in log.keys {
            reactor.close(key);
        }
    }
}

fn what_is_unread_is_counted_wherever_it_is<R: Backend>() {
    /// Pauses at the first bytes.
    struct PausesAtOnce(usize);
    impl<R: ServingReactor> Handler<R> for PausesAtOnce {
        fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
            if let Event::Received(bytes) = event {
                self.0 += bytes.len();
                reactor.pause(key);
            }
        }
    }
    let Some((mut reactor, address)) = listening::<R>(16) else { return };
    let mut log = Log::default();
    let mut peer = accepted(&mut reactor, address, &mut log);
    peer.write_all(&[7; 4000]).unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let mut pausing = PausesAtOnce(0);
    turn_until(&mut reactor, &mut pausing, |pausing| pausing.0 > 0);
    assert_eq!(pausing.0, 16, "a pause holds at once");
    for _ in 0..3 {
        reactor.settle(&mut pausing).unwrap();
        assert_eq!(reactor.unread(log.keys[0]), Unread { bytes: 4000 - 16, ended: true });
        reactor.turn(Some(clock::now() + MILLISECOND), &mut pausing).unwrap();
    }
    reactor.resume(log.keys[0]);
    turn_until(&mut reactor, &mut log, |log| log.ended == 1);
    assert_eq!(log.bytes.len(), 4000 - 16);
    assert_eq!(reactor.unread(log.keys[0]).bytes, 0);
}
