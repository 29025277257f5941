//! A room of seats without a socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::pressure::MOMENT;
use super::*;
use crate::counters::ChatCounters;
use crate::session::{Acknowledged, HIGH_MARK, NEVER, Next, Session, Timeouts};
use crate::speaker::Speaker;
use echo_net::clock::SECOND;
use echo_proto::{Flow, Replies, Respond, WriteMode};
use std::sync::Arc;

fn hub(queue: usize) -> (Arc<Hub>, Arc<ChatCounters>) {
    room(queue, usize::MAX)
}

fn room(queue: usize, room_queue: usize) -> (Arc<Hub>, Arc<ChatCounters>) {
    let counters = Arc::new(ChatCounters::default());
    (Hub::new(queue, room_queue, Arc::clone(&counters)), counters)
}

fn say(seat: &mut Seat, lines: &str) -> Flow {
    seat.receive(lines.as_bytes(), &mut Replies::new(WriteMode::Whole))
}

fn seen(seat: &Seat) -> String {
    let mut replies = Replies::new(WriteMode::Whole);
    assert_eq!(seat.take(usize::MAX, &mut replies), Taken::All);
    String::from_utf8(replies.bytes().to_vec()).unwrap()
}

fn named(hub: &Arc<Hub>, name: &str) -> Seat {
    let mut seat = hub.enter(1024);
    seen(&seat);
    assert_eq!(say(&mut seat, &format!("/nick {name}\n")), Flow::Open);
    seen(&seat);
    seat
}

#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_member_is_greeted_and_hears_the_others_in_their_order() {
    let (hub, _) = hub(1024);
    let mut anna = hub.enter(1024);
    assert_eq!(seen(&anna), "* Welcome. Choose a name with /nick <name>\n");
    assert_eq!(say(&mut anna, "/nick anna\n"), Flow::Open);
    let mut bob = named(&hub, "bob");
    assert_eq!(say(&mut bob, "one\ntwo\n/who\n"), Flow::Open);
    assert_eq!(seen(&anna), "* 1 online: anna\n* bob joined\nbob: one\nbob: two\n");
    assert_eq!(seen(&bob), "* 2 online: anna, bob\n");
}

#[test]
fn leaving_is_announced_once_however_it_happens() {
    let (hub, _) = hub(1024);
    let anna = named(&hub, "anna");
    let mut bob = named(&hub, "bob");
    assert_eq!(say(&mut bob, "/quit\n"), Flow::Finish);
    bob.leave();
    drop(bob);
    drop(named(&hub, "cleo"));
    assert_eq!(seen(&anna), "* bob joined\n* bob left\n* cleo joined\n* cleo left\n");
    anna.close_room();
    drop(named(&hub, "dora"));
    assert_eq!(seen(&anna), "* dora joined\n", "the server stops; who leaves is no news");
}

#[test]
fn a_member_is_woken_once_for_all_that_it_has_not_taken() {
    let (hub, _) = hub(1024);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    seen(&anna);
    let waker = Arc::new(CountingWaker::default());
    anna.wake(&Arc::clone(&waker).into());
    assert_eq!(say(&mut bob, "one\ntwo\nthree\n"), Flow::Open);
    assert_eq!(waker.0.load(Ordering::Relaxed), 1);
    let mut replies = Replies::new(WriteMode::Whole);
    assert_eq!(anna.take(1, &mut replies), Taken::Some);
    assert_eq!(say(&mut bob, "four\n"), Flow::Open);
    assert_eq!(waker.0.load(Ordering::Relaxed), 1, "it knows that there is more");
    assert_eq!(seen(&anna), "bob: two\nbob: three\nbob: four\n");
    assert_eq!(say(&mut bob, "five\n"), Flow::Open);
    assert_eq!(waker.0.load(Ordering::Relaxed), 2);
}

#[test]
fn who_does_not_read_is_let_go_and_the_others_miss_nothing() {
    let (hub, counters) = hub(100);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    let mut stuck = named(&hub, "stuck");
    seen(&anna);
    let waker = Arc::new(CountingWaker::default());
    stuck.wake(&Arc::clone(&waker).into());
    let mut heard = String::new();
    for _ in 0..20 {
        assert_eq!(say(&mut bob, "something\n"), Flow::Open);
        heard.push_str(&seen(&anna));
    }
    assert_eq!(heard.matches("bob: something\n").count(), 20);
    assert_eq!(heard.matches("* stuck left\n").count(), 1);
    assert_eq!(seen(&bob).matches("* stuck left\n").count(), 1);
    assert_eq!(waker.0.load(Ordering::Relaxed), 2, "for the first line, and for the last");
    let taken = stuck.take(usize::MAX, &mut Replies::new(WriteMode::Whole));
    assert_eq!(taken, Taken::Overflown);
    let _ = say(&mut stuck, "I am still here\n");
    drop(stuck);
    assert_eq!(seen(&anna), "");
    assert_eq!(counters.read().overflown, 1);
}

#[test]
fn a_line_longer_than_the_queue_reaches_who_reads() {
    let (hub, counters) = hub(10);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    seen(&anna);
    assert_eq!(say(&mut bob, "a long line\n"), Flow::Open);
    assert_eq!(seen(&anna), "bob: a long line\n");
    assert_eq!(counters.read().overflown, 0);
}

fn session(seat: Seat) -> Session {
    let timeouts = Timeouts { idle: NEVER, write: SECOND, message: NEVER };
    Session::new(Speaker::Chat(Box::new(seat)), timeouts, 0)
}

/// All the mail that the peer, which has not taken `unsent` bytes, can be sent now.
fn mail(session: &mut Session, mut unsent: usize) -> String {
    let (mut replies, mut all) = (Replies::new(WriteMode::Whole), Vec::new());
    while session.mail(0, unsent, &mut replies) {
        unsent += replies.bytes().len();
        all.extend_from_slice(replies.bytes());
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn what_was_said_before_the_end_is_delivered_and_then_the_end() {
    let (hub, _) = hub(1024);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    seen(&anna);
    let mut replies = Replies::new(WriteMode::Whole);
    let mut session = session(anna);
    assert_eq!(say(&mut bob, "bye\n"), Flow::Open);
    session.received(0, b"last", &mut replies);
    session.end_of_input(0, &mut replies);
    assert_eq!(seen(&bob), "anna: last\n* anna left\n");
    assert_eq!(say(&mut bob, "too late\n"), Flow::Open);
    assert_eq!(session.next(0, 0), Next::Hold, "there is mail");
    assert_eq!(mail(&mut session, 0), "bob: bye\n");
    assert_eq!(session.next(0, 0), Next::Close);
}

#[test]
fn mail_waits_where_it_is_bounded_while_much_is_unsent() {
    let (hub, _) = hub(1024);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    seen(&anna);
    let mut session = session(anna);
    assert_eq!(say(&mut bob, "one\n"), Flow::Open);
    assert_eq!(mail(&mut session, HIGH_MARK), "");
    assert_eq!(say(&mut bob, &"x".repeat(999)), Flow::Open);
    assert_eq!(mail(&mut session, HIGH_MARK - 1), "bob: one\n");
    assert_eq!(say(&mut bob, "\n"), Flow::Open);
    assert_eq!(say(&mut bob, "two\n"), Flow::Open);
    assert_eq!(session.next(0, HIGH_MARK), Next::Read);
    assert!(mail(&mut session, HIGH_MARK).is_empty());
    assert_eq!(session.next(0, HIGH_MARK), Next::Read);
    for _ in 0..2 {
        assert_eq!(say(&mut bob, &format!("{}\n", "x".repeat(999))), Flow::Open);
    }
    assert_eq!(mail(&mut session, HIGH_MARK), "");
    assert_eq!(session.next(0, HIGH_MARK), Next::Close, "it has run over");
}

#[test]
fn a_line_that_is_too_long_is_told_after_the_mail_and_ends_the_stay() {
    let (hub, _) = hub(1024);
    let (anna, mut bob) = (named(&hub, "anna"), named(&hub, "bob"));
    seen(&anna);
    let mut session = session(anna);
    assert_eq!(say(&mut bob, "hi\n"), Flow::Open);
    let mut replies = Replies::new(WriteMode::Whole);
    session.received(0, &[b'x'; 1025], &mut replies);
    assert_eq!((replies.errors(), replies.is_empty()), (1, true));
    let told = mail(&mut session, 0);
    assert_eq!(told, "bob: hi\nERROR: line too long (limit 1024 bytes)\n");
    assert_eq!(session.next(0, 0), Next::HalfClose);
    assert_eq!(seen(&bob), "* anna left\n");
}

/// `count` lines of 100 bytes, as their speaker sends them.
fn lines(count: usize) -> Vec<u8> {
    [&[b'x'; 99][..], b"\n"].concat().repeat(count)
}

#[test]
fn who_fills_a_mailbox_is_not_heard_until_its_reader_has_read() {
    let (hub, counters) = hub(20_000);
    let anna = named(&hub, "anna");
    let mut bob = session(named(&hub, "bob"));
    let mut replies = Replies::new(WriteMode::Whole);
    let waker = Arc::new(CountingWaker::default());
    bob.wake_for_mail(&Arc::clone(&waker).into());
    let mut heard = seen(&anna);
    for _ in 0..20 {
        bob.received(0, &lines(145), &mut replies);
        assert_eq!(mail(&mut bob, 0), "");
        assert_eq!(bob.next(0, 0), Next::Hold);
        assert!(bob.deadline() < MOMENT);
        let woken = waker.0.load(Ordering::Relaxed);
        heard += &seen(&anna);
        assert_eq!(waker.0.load(Ordering::Relaxed), woken + 1);
        assert_eq!(mail(&mut bob, 0), "");
        assert_eq!((bob.next(0, 0), bob.deadline()), (Next::Read, NEVER));
    }
    assert_eq!(heard.matches("bob: x").count(), 20 * 145);
    assert_eq!(counters.read().overflown, 0);
}

#[test]
fn one_who_does_not_read_gets_a_moment_and_is_then_let_go() {
    let (hub, counters) = hub(20_000);
    let (anna, _deaf) = (named(&hub, "anna"), named(&hub, "deaf"));
    let mut bob = session(named(&hub, "bob"));
    let mut replies = Replies::new(WriteMode::Whole);
    bob.received(7, &lines(145), &mut replies);
    assert!(!bob.mail(7, 0, &mut replies));
    let _all = seen(&anna);
    bob.expire(MOMENT / 2, &mut replies, || Acknowledged::ALL);
    assert_eq!(bob.next(MOMENT / 2, 0), Next::Hold);
    bob.expire(7 + MOMENT, &mut replies, || Acknowledged::ALL);
    assert!(!bob.mail(7 + MOMENT, 0, &mut replies));
    assert_eq!(bob.next(7 + MOMENT, 0), Next::Read);
    assert_eq!(counters.read().overflown, 0);
    bob.received(7 + MOMENT, &lines(60), &mut replies);
    assert_eq!(seen(&anna).matches("* deaf left\n").count(), 1);
    assert_eq!(counters.read().overflown, 1);
    assert_eq!(mail(&mut bob, 0), "* deaf left\n");
    assert_eq!(bob.next(7 + MOMENT, 0), Next::Read, "nobody else is to be waited for");
}

#[test]
fn one_who_is_waited_for_and_goes_keeps_nobody_waiting() {
    let (hub, _) = hub(20_000);
    let deaf = named(&hub, "deaf");
    let mut bob = session(named(&hub, "bob"));
    let waker = Arc::new(CountingWaker::default());
    bob.wake_for_mail(&Arc::clone(&waker).into());
    let mut replies = Replies::new(WriteMode::Whole);
    bob.received(0, &lines(145), &mut replies);
    assert_eq!(mail(&mut bob, 0), "");
    assert_eq!(bob.next(0, 0), Next::Hold);
    drop(deaf);
    assert!(waker.0.load(Ordering::Relaxed) > 0);
    assert_eq!(mail(&mut bob, 0), "* deaf left\n");
    assert_eq!(bob.next(0, 0), Next::Read);
}

#[test]
fn a_talk_goes_on_beside_one_who_pours_out_files() {
    let (hub, _) = hub(20_000);
    let _deaf = named(&hub, "deaf");
    let mut bob = session(named(&hub, "bob"));
    let mut cleo = session(named(&hub, "cleo"));
    let mut replies = Replies::new(WriteMode::Whole);
    bob.received(0, &lines(140), &mut replies);
    assert!(!bob.mail(0, 0, &mut replies) || !bob.mail(0, 0, &mut replies));
    assert_eq!(bob.next(0, 0), Next::Hold);
    cleo.received(0, b"what is this?\n", &mut replies);
    while cleo.mail(0, 0, &mut replies) {}
    assert_eq!(cleo.next(0, 0), Next::Read);
}

#[test]
fn all_queues_together_are_bounded_and_the_longest_go_first() {
    let (hub, counters) = room(1 << 20, 100_000);
    let mut bob = named(&hub, "bob");
    let reads = named(&hub, "reads");
    let deaf: Vec<_> = (0..20).map(|number| named(&hub, &format!("deaf{number}"))).collect();
    let mut heard = String::new();
    // Private lines, so that none is shared: 20 queues of up to 50 kB. Those with a higher number
    // get more.
    for round in 0..500 {
        for number in (0..20).filter(|number| round % 20 <= *number) {
            let line = format!("/msg deaf{number} {}\n", "x".repeat(80));
            assert_eq!(say(&mut bob, &line), Flow::Open);
        }
        heard += &seen(&reads);
        // It is told of those that are gone.
        seen(&bob);
    }
    let gone = |member: usize| heard.contains(&format!("* deaf{member} left\n"));
    assert!(counters.read().overflown > 0, "all are kept");
    assert!(gone(19), "the longest queue is kept");
    assert!(!gone(0), "the shortest queue was cut");
    let left = (0..20).filter(|member| gone(*member)).count();
    assert_eq!(counters.read().overflown, left as u64);
    assert!(!heard.contains("* reads left"));
    assert_eq!(say(&mut bob, "hello\n"), Flow::Open);
    assert_eq!(seen(&reads), "bob: hello\n");
    drop(deaf);
}

#[test]
fn what_many_have_queued_counts_once() {
    let (hub, counters) = room(1 << 20, 400_000);
    let mut bob = named(&hub, "bob");
    let all: Vec<_> = (0..20).map(|number| named(&hub, &format!("one{number}"))).collect();
    // 200 kB for each of 20 members, but the same 200 kB, and 20 x 16 bytes per line.
    for _ in 0..200 {
        assert_eq!(say(&mut bob, &format!("{}\n", "x".repeat(1000))), Flow::Open);
    }
    assert_eq!(counters.read().overflown, 0);
    assert_eq!(seen(&all[0]).matches("bob: x").count(), 200);
}
