//! Sessions on scripted sockets: any split of the input and any pace of the output.

use std::time::SystemTime;

use super::*;
use echo_net::clock::SECOND;
use echo_net::unread::Unread;
use echo_proto::{ProtocolKind, WriteMode};
use proptest::prelude::*;

mod limits;
mod secured;
mod stops;

const TIMEOUTS: Timeouts = Timeouts { idle: 10 * SECOND, write: 3 * SECOND, message: NEVER };

/// A session and a peer that takes output only when told.
struct Shell {
    session: Session,
    replies: Replies,
    now: Nanos,
    unsent: Vec<u8>,
    taken: Vec<u8>,
    half_closed: bool,
    next: Next,
    /// What the peer's kernel has of the output.
    acknowledged: Acknowledged,
}

impl Shell {
    fn new(protocol: ProtocolKind, max_message: usize) -> Self {
        Self::with(TIMEOUTS, protocol, max_message)
    }

    fn with(timeouts: Timeouts, protocol: ProtocolKind, max_message: usize) -> Self {
        let now = 100 * SECOND;
        Self {
            session: Session::new(
                protocol.responder(max_message, SystemTime::now),
                timeouts,
                now,
            ),
            replies: Replies::new(WriteMode::Whole),
            now,
            unsent: Vec::new(),
            taken: Vec::new(),
            half_closed: false,
            next: Next::Read,
            acknowledged: Acknowledged::ALL,
        }
    }

    fn line() -> Self {
        Self::new(ProtocolKind::Line, 16)
    }

    fn receive(&mut self, input: &[u8]) {
        self.session.received(self.now, input, &mut self.replies);
        self.answer();
    }

    fn end(&mut self) {
        self.session.end_of_input(self.now, &mut self.replies);
        self.answer();
    }

    fn answer(&mut self) {
        assert!(!self.half_closed || self.replies.is_empty(), "a reply after the end");
        self.unsent.extend_from_slice(self.replies.bytes());
        self.go_on();
    }

    /// The peer takes up to `room` bytes.
    fn take(&mut self, room: usize) {
        let rest = self.unsent.split_off(room.min(self.unsent.len()));
        self.taken.append(&mut self.unsent);
        self.unsent = rest;
        self.go_on();
    }

    fn take_all(&mut self) {
        self.take(usize::MAX);
    }

    fn go_on(&mut self) {
        self.next = self.session.next(self.now, self.unsent.len());
        if self.next == Next::HalfClose {
            assert!(!self.half_closed, "the write side can be shut down only once");
            assert!(self.unsent.is_empty(), "output would be lost");
            self.half_closed = true;
            self.next = Next::Read;
        }
    }

    fn wait(&mut self, time: Nanos) {
        self.now += time;
        self.session.expire(self.now, &mut self.replies, || self.acknowledged);
        self.answer();
    }

    /// Waits for `time`, and calls the session at each of its deadlines meanwhile.
    fn pass(&mut self, time: Nanos) {
        let end = self.now + time;
        while self.session.deadline() <= end && self.next != Next::Close {
            let left = self.session.deadline().saturating_sub(self.now);
            self.wait(left);
        }
        self.wait(end.saturating_sub(self.now));
    }

    fn stop(&mut self, unread: Unread) {
        self.session.stop(self.now, unread, &mut self.replies);
        self.answer();
    }
}

#[test]
fn the_end_of_input_answers_what_is_left_and_closes_once_it_is_sent() {
    let mut shell = Shell::line();
    shell.receive(b"a\nb");
    shell.end();
    assert_eq!(shell.next, Next::Hold);
    shell.take(3);
    assert_eq!(shell.next, Next::Hold);
    shell.take_all();
    assert_eq!(shell.taken, b"ECHO: a\nECHO: b\n");
    assert_eq!(shell.next, Next::Close);
    assert!(!shell.session.is_owed());
}

#[test]
fn a_refused_message_lingers_until_the_peer_ends() {
    let mut shell = Shell::line();
    shell.receive(b"12345678901234567");
    shell.take_all();
    assert_eq!(shell.taken, b"ERROR: line too long (limit 16 bytes)\n");
    assert!(shell.half_closed);
    shell.receive(b"more that is discarded\n");
    assert_eq!(shell.next, Next::Read);
    shell.end();
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn lingering_ends_after_a_second_however_much_the_peer_sends() {
    let mut shell = Shell::line();
    shell.receive(b"12345678901234567");
    shell.take_all();
    for _ in 0..9 {
        shell.wait(LINGER / 10);
        shell.receive(b"still talking\n");
        assert_eq!(shell.next, Next::Read);
    }
    shell.wait(LINGER / 10);
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn lingering_waits_for_a_slow_reader_but_not_for_ever() {
    let mut shell = Shell::line();
    shell.receive(b"12345678901234567");
    shell.take_all();
    shell.acknowledged.all = false;
    shell.wait(LINGER);
    assert_eq!(shell.next, Next::Read);
    shell.acknowledged.all = true;
    shell.wait(LINGER);
    assert_eq!(shell.next, Next::Close);

    let mut shell = Shell::line();
    shell.receive(b"12345678901234567");
    shell.take_all();
    shell.acknowledged.all = false;
    shell.wait(TIMEOUTS.write - 1);
    assert_eq!(shell.next, Next::Read);
    shell.wait(LINGER);
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn reading_stops_above_the_high_mark_and_goes_on_below_the_low_one() {
    let mut shell = Shell::new(ProtocolKind::Raw, 0);
    shell.receive(&vec![0; HIGH_MARK]);
    assert_eq!(shell.next, Next::Read);
    shell.receive(&[0]);
    assert_eq!(shell.next, Next::Hold);
    shell.take(HIGH_MARK - LOW_MARK);
    assert_eq!(shell.next, Next::Hold);
    shell.take(1);
    assert_eq!(shell.next, Next::Read);
}

#[test]
fn an_idle_peer_gets_an_orderly_end() {
    let mut shell = Shell::line();
    shell.wait(TIMEOUTS.idle - 1);
    assert_eq!(shell.next, Next::Read);
    assert!(!shell.half_closed);
    shell.wait(1);
    assert!(shell.half_closed);
    shell.wait(LINGER);
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn traffic_moves_the_idle_deadline() {
    let mut shell = Shell::line();
    shell.wait(TIMEOUTS.idle - 1);
    shell.receive(b"a");
    assert_eq!(shell.session.deadline(), shell.now + TIMEOUTS.idle);
    shell.wait(TIMEOUTS.idle - 1);
    assert!(!shell.half_closed);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_and_one_that_takes_a_little_is_not() {
    let mut shell = Shell::line();
    // A long silence before the first reply is no stall.
    shell.wait(TIMEOUTS.write + 1);
    shell.receive(b"abcdef\n");
    for _ in 0..4 {
        shell.wait(TIMEOUTS.write - 1);
        assert_eq!(shell.next, Next::Read);
        shell.take(1);
    }
    // Sending on is not taking.
    shell.wait(TIMEOUTS.write - 1);
    shell.receive(b"x\n");
    shell.wait(1);
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn without_an_idle_limit_there_is_no_deadline() {
    let timeouts = Timeouts { idle: NEVER, ..TIMEOUTS };
    let responder = ProtocolKind::Line.responder(16, SystemTime::now);
    assert_eq!(Session::new(responder, timeouts, SECOND).deadline(), NEVER);
}

#[test]
fn a_stop_with_nothing_unread_ends_at_once() {
    let mut shell = Shell::line();
    shell.receive(b"a\nunfinished");
    shell.take_all();
    shell.stop(Unread::default());
    assert!(shell.half_closed);
    assert_eq!(shell.taken, b"ECHO: a\n");
    shell.end();
    assert_eq!(shell.next, Next::Close);
}

#[test]
fn a_stop_answers_a_last_line_if_its_end_has_arrived() {
    let mut shell = Shell::line();
    shell.stop(Unread { bytes: 3, ended: true });
    shell.receive(b"a\nb");
    shell.end();
    shell.take_all();
    assert_eq!(shell.taken, b"ECHO: a\nECHO: b\n");
    assert_eq!(shell.next, Next::Close);
}

/// What the protocol answers to the whole input at once.
fn answer_to(protocol: ProtocolKind, input: &[u8], ended: bool) -> Vec<u8> {
    let mut shell = Shell::new(protocol, 16);
    shell.receive(input);
    if ended {
        shell.end();
    }
    shell.take_all();
    shell.taken
}

fn protocols() -> impl Strategy<Value = ProtocolKind> {
    prop_oneof![Just(ProtocolKind::Line), Just(ProtocolKind::Raw), Just(ProtocolKind::Frame)]
}

/// Bytes that make many short messages and some that are too long.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b'\n'), Just(0), Just(0), Just(1), any::<u8>()],
        0..200,
    )
}

proptest! {
    #[test]
    fn no_split_and_no_pace_changes_the_output(
        protocol in protocols(),
        input in inputs(),
        steps in proptest::collection::vec((1..40_usize, 0..60_usize), 1..40),
    ) {
        let mut shell = Shell::new(protocol, 16);
        let mut rest = &input[..];
        for (length, room) in steps.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*length).min(rest.len()));
            shell.receive(now);
            shell.take(*room);
            rest = later;
        }
        shell.end();
        shell.take_all();
        prop_assert_eq!(shell.next, Next::Close);
        prop_assert_eq!(shell.taken, answer_to(protocol, &input, true));
    }

    #[test]
    fn a_stop_answers_exactly_what_had_arrived(
        protocol in protocols(),
        before in inputs(),
        unread in inputs(),
        length in 1..40_usize,
        room in 0..60_usize,
    ) {
        let mut shell = Shell::new(protocol, 16);
        shell.receive(&before);
        shell.stop(Unread { bytes: unread.len(), ended: false });
        for chunk in unread.chunks(length) {
            shell.receive(chunk);
            shell.take(room);
        }
        shell.receive(b"came too late\n");
        shell.take_all();
        // Without messages, only a reset shows that the last bytes were not answered.
        if protocol == ProtocolKind::Raw {
            prop_assert!(!shell.half_closed);
            shell.pass(LINGER);
            prop_assert_eq!(shell.next, Next::Close);
            prop_assert_eq!(shell.session.ended_by(), Some(Limit::Stop));
        } else {
            prop_assert!(shell.half_closed);
            prop_assert_eq!(shell.session.ended_by(), None);
        }
        prop_assert!(!shell.session.is_owed());
        let arrived = [before, unread].concat();
        prop_assert_eq!(shell.taken, answer_to(protocol, &arrived, false));
    }
}
