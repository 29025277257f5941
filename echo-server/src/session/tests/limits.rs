//! Slow peers: readers that take a little, messages that do not end.

use super::*;
use echo_proto::Request as _;
use strum::VariantArray as _;

const MESSAGE: Nanos = 2 * SECOND;

fn with_message_timeout(protocol: ProtocolKind) -> Shell {
    Shell::with(Timeouts { message: MESSAGE, ..TIMEOUTS }, protocol, 1024)
}

/// A server whose kernel accepts nothing more.
fn stuck() -> Shell {
    let mut shell = Shell::line();
    shell.acknowledged.all = false;
    shell.receive(b"abcdef\n");
    shell
}

#[test]
fn a_reader_that_acknowledges_a_little_is_not_cut() {
    let mut shell = stuck();
    for _ in 0..40 {
        shell.pass(TIMEOUTS.write / 2);
        assert_eq!(shell.next, Next::Read);
        shell.acknowledged.bytes += 1;
    }
    shell.take_all();
    assert_eq!(shell.taken, b"ECHO: abcdef\n");
}

#[test]
fn one_that_acknowledges_nothing_is_cut_exactly_at_the_write_timeout() {
    let mut shell = stuck();
    shell.pass(TIMEOUTS.write - 1);
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Read, None));
    shell.pass(1);
    assert_eq!(shell.next, Next::Close);
    assert_eq!(shell.session.ended_by(), Some(Limit::WriteTimeout));
}

#[test]
fn what_is_in_the_send_buffer_at_the_end_is_waited_for_as_long_as_it_is_taken() {
    let mut shell = Shell::line();
    shell.receive(b"12345678901234567");
    shell.take_all();
    assert!(shell.half_closed);
    shell.acknowledged.all = false;
    for _ in 0..10 {
        shell.acknowledged.bytes += 1;
        shell.pass(TIMEOUTS.write - LINGER);
        assert_eq!(shell.next, Next::Read);
    }
    shell.pass(TIMEOUTS.write + LINGER);
    assert_eq!(shell.next, Next::Close);
    assert_eq!(shell.session.ended_by(), Some(Limit::WriteTimeout));
}

#[test]
fn a_reader_that_takes_what_is_in_the_send_buffer_is_not_idle() {
    let mut shell = Shell::line();
    shell.receive(b"a\n");
    shell.take_all();
    shell.acknowledged.all = false;
    for _ in 0..20 {
        shell.pass(TIMEOUTS.write);
        shell.acknowledged.bytes += 1;
        assert!(!shell.half_closed);
    }
    shell.acknowledged.all = true;
    shell.pass(TIMEOUTS.idle);
    assert!(shell.half_closed);
}

#[test]
fn a_message_must_be_complete_in_time_however_often_a_byte_of_it_arrives() {
    for &protocol in ProtocolKind::VARIANTS {
        let (mut requester, mut wire) = (protocol.requester(1024), Vec::new());
        requester.encode(0, &[b'x'; 1000], &mut wire);
        let mut shell = with_message_timeout(protocol);
        shell.receive(&wire);
        shell.take_all();
        // The first may begin with what opens a connection.
        wire.clear();
        requester.encode(1, &[b'x'; 1000], &mut wire);
        shell.pass(2 * MESSAGE);
        assert!(!shell.half_closed, "{protocol}: between messages");
        for bytes in wire[..8].chunks(1) {
            shell.receive(bytes);
            shell.take_all();
            shell.pass(MESSAGE / 8);
        }
        if protocol == ProtocolKind::Raw {
            assert_eq!(shell.session.ended_by(), None);
            continue;
        }
        assert_eq!(shell.session.ended_by(), Some(Limit::MessageTimeout), "{protocol}");
        shell.take_all();
        let told = String::from_utf8_lossy(&shell.taken).into_owned();
        assert!(told.contains("not completed in time"), "{protocol}: {told}");
        assert!(shell.half_closed, "{protocol}");
        shell.pass(LINGER);
        assert_eq!(shell.next, Next::Close, "{protocol}");
    }
}

#[test]
fn each_message_has_the_whole_time() {
    let mut shell = with_message_timeout(ProtocolKind::Line);
    shell.receive(b"a");
    for _ in 0..10 {
        shell.pass(MESSAGE - 1);
        // One ends and the next begins, in one read.
        shell.receive(b"b\nc");
        shell.take_all();
        assert_eq!(shell.session.ended_by(), None);
    }
    shell.pass(MESSAGE);
    assert_eq!(shell.session.ended_by(), Some(Limit::MessageTimeout));
}

#[test]
fn the_time_in_which_the_server_does_not_read_is_not_the_peer_s() {
    let timeouts = Timeouts { message: SECOND, ..TIMEOUTS };
    let mut shell = Shell::with(timeouts, ProtocolKind::Line, 2 * HIGH_MARK);
    shell.receive(&[&vec![b'x'; HIGH_MARK][..], b"\nbegun"].concat());
    assert_eq!(shell.next, Next::Hold);
    shell.pass(2 * SECOND);
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Hold, None));
    shell.take_all();
    shell.pass(SECOND - 1);
    assert_eq!(shell.session.ended_by(), None);
    shell.receive(b" and ended\n");
    shell.pass(SECOND);
    assert_eq!(shell.session.ended_by(), None);
}
