//! Tests specific to this backend; the shared contract is tested for all backends.

use std::io::{Read as _, Write as _};

use super::*;
use crate::reactor::tests::{Log, connect, listening, turn_until};

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
