//! A stop in a stream without messages: what the peer can see of it.

use super::super::stopping::SETTLE;
use super::*;

fn raw() -> Shell {
    let mut shell = Shell::new(ProtocolKind::Raw, 0);
    shell.receive(b"echo");
    shell.take_all();
    shell
}

#[test]
fn a_transfer_that_the_stop_interrupts_ends_with_a_reset() {
    let mut shell = raw();
    shell.stop(Unread { bytes: 3, ended: false });
    shell.receive(b"abc");
    shell.take_all();
    shell.receive(b"more");
    shell.pass(LINGER / 4);
    assert_eq!((shell.next, shell.half_closed), (Next::Close, false));
    assert_eq!(shell.session.ended_by(), Some(Limit::Stop));
    assert_eq!(shell.taken, b"echoabc");
}

#[test]
fn it_ends_only_when_the_peer_has_what_was_echoed() {
    let mut shell = raw();
    shell.acknowledged.all = false;
    shell.stop(Unread::default());
    shell.receive(b"more");
    for _ in 0..40 {
        shell.acknowledged.bytes += 1;
        shell.pass(LINGER / 4);
        assert_eq!(shell.next, Next::Read);
    }
    shell.acknowledged.all = true;
    shell.pass(LINGER / 4);
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, Some(Limit::Stop)));
    // One that takes nothing has no more time than during normal operation.
    let mut deaf = raw();
    deaf.acknowledged.all = false;
    deaf.stop(Unread::default());
    deaf.pass(TIMEOUTS.write + SETTLE);
    assert_eq!((deaf.next, deaf.session.ended_by()), (Next::Close, Some(Limit::WriteTimeout)));
}

#[test]
fn a_peer_that_has_every_byte_back_gets_an_orderly_end() {
    for sends_end in [false, true] {
        let mut shell = raw();
        shell.stop(Unread { bytes: 3, ended: sends_end });
        shell.receive(b"abc");
        shell.take_all();
        assert!(!shell.half_closed);
        if sends_end {
            shell.end();
        } else {
            shell.pass(SETTLE);
            assert!(shell.half_closed);
            shell.end();
        }
        assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, None));
    }
    // It may end while the server waits for that.
    let mut shell = raw();
    shell.stop(Unread::default());
    shell.end();
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, None));
}

#[test]
fn an_idle_peer_gets_its_end_at_once() {
    let mut shell = raw();
    shell.wait(LINGER);
    shell.stop(Unread::default());
    assert!(shell.half_closed);
    // It sends on all the same, before it sees the end.
    shell.receive(b"more");
    shell.pass(LINGER);
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, Some(Limit::Stop)));
}

#[test]
fn who_half_closes_after_more_than_was_echoed_sees_a_reset_too() {
    let mut shell = raw();
    shell.stop(Unread::default());
    shell.receive(b"more");
    shell.end();
    assert_eq!(shell.next, Next::Hold);
    shell.pass(LINGER / 4);
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, Some(Limit::Stop)));
    assert!(!shell.half_closed);
}
