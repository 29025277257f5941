use super::*;
use crate::messages::Verify;
use crate::record::FailureKind;

/// A request of the window that is due at this instant.
fn asked(at: Nanos) -> Asked {
    Asked { intended: at, ready: at, written: None, measured: true }
}

struct Bed {
    messages: Messages,
    requests: InFlight,
    ledger: Ledger,
}

impl Bed {
    fn new(requests: u64) -> Self {
        Self::with_streams(requests, 1)
    }

    fn with_streams(requests: u64, streams: u32) -> Self {
        let messages = Messages::generated(32, 32, 0, Verify::Full);
        let mut in_flight = InFlight::new(0, streams);
        for number in 0..requests {
            in_flight.push(&asked(number), 32, number);
        }
        Self { messages, requests: in_flight, ledger: Ledger::of_test(false) }
    }

    fn text(&self, connection: u32, request: u64) -> Vec<u8> {
        let mut text = Vec::new();
        self.messages.write(connection, request, &mut text);
        text
    }

    fn reply_with(&mut self, outcome: Outcome, body: &[u8], at: Nanos) {
        let reply = Reply { answers: Answers::Oldest, outcome, status: None, body };
        self.requests.settle(5, &self.messages, reply, at, &mut self.ledger);
    }

    fn reply(&mut self, connection: u32, request: u64, at: Nanos) {
        let body = self.text(connection, request);
        self.reply_with(Outcome::Echo, &body, at);
    }

    /// A reply on `stream` that says what request `request` asked for.
    fn reply_on(&mut self, stream: u32, request: u64, at: Nanos) {
        let body = self.text(5, request);
        let reply = Reply {
            answers: Answers::OldestOf(stream),
            outcome: Outcome::Echo,
            status: None,
            body: &body,
        };
        self.requests.settle(5, &self.messages, reply, at, &mut self.ledger);
    }

    fn errors(&mut self) -> Vec<(String, u64)> {
        let errors = self.ledger.interval().errors.iter();
        errors.map(|one| (one.kind.to_string(), one.count)).collect()
    }
}

#[test]
fn answers_in_turn_are_timed_each_by_its_own_clock() {
    let mut bed = Bed::new(2);
    bed.reply(5, 0, 100);
    bed.reply(5, 1, 301);
    assert_eq!(bed.ledger.interval().tally.ok, 2);
    let response = bed.ledger.interval().latencies.response.histogram();
    assert_eq!((response.min(), response.max()), (100, 300));
    assert_eq!((bed.requests.waiting(), bed.requests.next_request()), (0, 2));
}

#[test]
fn bytes_that_are_no_reply_answer_one_request_wrongly_and_the_rest_never() {
    let mut bed = Bed::new(3);
    bed.requests.garble(50, &mut bed.ledger);
    bed.requests.abandon(50, &mut bed.ledger, Ending::Unmatched);
    assert_eq!(bed.ledger.interval().tally.mismatch, 3);
    let response = &bed.ledger.interval().latencies.response;
    assert_eq!((response.count(), response.censored()), (2, 2));
}

#[test]
fn a_request_passed_over_is_dropped_and_later_ones_stay_in_step() {
    let mut bed = Bed::new(4);
    bed.reply(5, 2, 50);
    bed.reply(5, 3, 60);
    assert_eq!((bed.requests.waiting(), bed.requests.unanswered()), (0, 2));
    assert_eq!(bed.errors(), [], "late or lost: nobody knows yet");
    assert!(bed.requests.expire(5, 1, 1000, &mut bed.ledger));
    assert_eq!(bed.errors(), [("dropped".into(), 2)]);
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.mismatch), (2, 2));
    assert_eq!(bed.ledger.interval().latencies.response.censored(), 2);
    bed.reply(5, 1, 1100);
    assert_eq!(bed.errors(), [("dropped".into(), 2)], "counted once");
    assert_eq!((bed.requests.unanswered(), bed.requests.measured()), (0, 0));
}

#[test]
fn an_answer_given_twice_uses_up_no_request() {
    let mut bed = Bed::new(2);
    bed.reply(5, 0, 50);
    bed.reply(5, 0, 51);
    bed.reply(5, 1, 52);
    assert_eq!(bed.errors(), [("duplicated".into(), 1)]);
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.mismatch), (2, 0));
}

#[test]
fn an_answer_to_a_request_passed_over_is_out_of_turn_and_a_second_one_is_double() {
    let mut bed = Bed::new(3);
    for request in [1, 0, 0, 2] {
        bed.reply(5, request, 50);
    }
    assert_eq!(bed.errors(), [("duplicated".into(), 1), ("reordered".into(), 1)]);
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.mismatch), (2, 1));
    let first = &bed.ledger.interval().errors.iter().next().expect("just counted").first;
    assert!(first.difference.is_some(), "{first:?}");
}

#[test]
fn foreign_corrupt_and_error_replies_each_use_up_one_request() {
    let mut bed = Bed::new(3);
    bed.reply(6, 0, 50);
    bed.reply_with(Outcome::Echo, &[b'?'; 32], 50);
    bed.reply_with(Outcome::Error, b"no", 50);
    assert_eq!(
        bed.errors(),
        [("corrupt".into(), 1), ("foreign".into(), 1), ("error_reply".into(), 1)]
    );
    assert_eq!(
        (bed.ledger.interval().tally.mismatch, bed.ledger.interval().tally.error),
        (2, 1)
    );
    assert_eq!(
        bed.ledger.interval().latencies.response.count(),
        0,
        "wrong answers have no latency"
    );
    bed.reply(5, 9, 60);
    assert_eq!(bed.ledger.interval().errors.of(FailureKind::Unsolicited), 1);
}

#[test]
fn a_late_answer_is_matched_and_counted_once_as_timeout() {
    let mut bed = Bed::new(2);
    assert!(bed.requests.expire(5, 0, 1000, &mut bed.ledger));
    assert_eq!(bed.requests.waiting(), 1);
    bed.reply(5, 0, 2000);
    bed.reply(5, 1, 2001);
    assert_eq!((bed.ledger.interval().tally.timeout, bed.ledger.interval().tally.ok), (1, 1));
    assert!(bed.ledger.interval().errors.iter().all(|one| one.kind == FailureKind::Timeout));
}

#[test]
fn requests_of_a_lost_connection_are_censored_at_their_age() {
    let mut bed = Bed::new(3);
    bed.requests.abandon(500, &mut bed.ledger, Ending::Reset);
    assert_eq!(bed.ledger.interval().tally.reset, 3);
    assert_eq!(bed.ledger.interval().latencies.response.censored(), 3);
    assert_eq!((bed.requests.waiting(), bed.requests.next_request()), (0, 3));
}

#[test]
fn only_a_request_that_is_not_wholly_written_can_be_answered_too_early() {
    for (unsent, ok) in [(0, 3), (1, 2), (32, 2), (33, 1), (64, 1), (65, 0)] {
        let mut bed = Bed::new(3);
        bed.messages = Messages::generated(32, 32, 0, Verify::Off);
        for _ in 0..3 {
            bed.requests.set_unsent(unsent);
            bed.reply_with(Outcome::Echo, b"anything", 50);
        }
        let tally = bed.ledger.interval().tally;
        assert_eq!((tally.ok, tally.mismatch), (ok, 3 - ok), "{unsent} bytes unsent");
    }
}

#[test]
fn streams_may_overtake_each_other() {
    let mut bed = Bed::with_streams(9, 3);
    // Requests 0, 3, 6 are on stream 0; 1, 4, 7 on stream 1; 2, 5, 8 on stream 2.
    for (stream, request) in
        [(2, 2), (2, 5), (1, 1), (2, 8), (0, 0), (1, 4), (0, 3), (1, 7), (0, 6)]
    {
        bed.reply_on(stream, request, 100 + request);
    }
    assert_eq!(bed.errors(), []);
    assert_eq!((bed.ledger.interval().tally.ok, bed.requests.waiting()), (9, 0));
    let response = bed.ledger.interval().latencies.response.histogram();
    assert_eq!((response.min(), response.max()), (100, 100), "each by its own clock");
    bed.requests.push(&asked(200), 32, 200);
    bed.reply_on(0, 9, 300);
    assert_eq!(bed.ledger.interval().tally.ok, 10);
}

#[test]
fn a_stream_that_answers_out_of_turn_is_told_and_the_others_are_not_blamed() {
    let mut bed = Bed::with_streams(8, 2);
    bed.reply_on(0, 4, 50);
    bed.reply_on(0, 2, 51);
    assert_eq!(bed.errors(), [("reordered".into(), 1)]);
    for request in [1, 3, 5, 7] {
        bed.reply_on(1, request, 52);
    }
    bed.reply_on(0, 6, 53);
    bed.requests.abandon(60, &mut bed.ledger, Ending::Closed);
    assert_eq!(bed.errors(), [("dropped".into(), 1), ("reordered".into(), 1)]);
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.mismatch), (6, 2));
}

#[test]
fn a_misrouted_reply_fails_the_request_of_its_stamp_and_no_other() {
    for (stream, request, asked) in [(1, 0, 6), (0, 3, 6), (0, 5, 6), (0, 1, 2)] {
        let mut bed = Bed::with_streams(asked, 2);
        bed.reply_on(stream, request, 50);
        for other in (0..asked).filter(|&other| other != request) {
            bed.reply_on((other % 2) as u32, other, 51);
        }
        assert_eq!(bed.errors(), [("foreign".into(), 1)], "{request} on {stream}");
        let tally = bed.ledger.interval().tally;
        assert_eq!((tally.ok, tally.mismatch), (asked - 1, 1), "{request} on {stream}");
        assert_eq!((bed.requests.unanswered(), bed.requests.measured()), (0, 0));
        let first = &bed.ledger.interval().errors.iter().next().expect("just counted").first;
        assert_eq!(first.request, Some(request));
    }
}

#[test]
fn the_reply_of_another_connection_in_front_of_the_right_one_is_one_fault() {
    let mut bed = Bed::new(2);
    bed.reply(6, 0, 50);
    bed.reply(5, 0, 51);
    bed.reply(5, 1, 52);
    assert_eq!(bed.errors(), [("foreign".into(), 1)]);
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.mismatch), (1, 1));
}

#[test]
fn a_request_that_timed_out_and_is_passed_over_is_counted_once() {
    let mut bed = Bed::new(2);
    bed.requests.expire(5, 0, 1000, &mut bed.ledger);
    bed.reply(5, 1, 1001);
    bed.reply(5, 0, 1002);
    bed.requests.abandon(2000, &mut bed.ledger, Ending::Closed);
    assert_eq!(bed.errors(), [("timeout".into(), 1)]);
    assert_eq!((bed.ledger.interval().tally.timeout, bed.ledger.interval().tally.ok), (1, 1));
}

#[test]
fn a_reply_on_the_wrong_stream_is_foreign_and_to_no_request_unsolicited() {
    let mut bed = Bed::with_streams(4, 2);
    bed.reply_on(0, 1, 50);
    assert_eq!(bed.errors(), [("foreign".into(), 1)]);
    bed.reply_on(7, 0, 50);
    assert_eq!(bed.errors(), [("foreign".into(), 2)]);
    assert_eq!((bed.ledger.interval().tally.mismatch, bed.requests.waiting()), (2, 2));
    bed.reply_on(0, 8, 50);
    bed.reply_on(7, 8, 50);
    assert_eq!(bed.ledger.interval().errors.of(FailureKind::Unsolicited), 2);
    assert_eq!((bed.ledger.interval().tally.mismatch, bed.requests.waiting()), (2, 2));
}

#[test]
fn streams_stay_in_step_after_a_connection_was_lost() {
    let mut bed = Bed::with_streams(5, 3);
    bed.reply_on(0, 0, 50);
    bed.requests.abandon(60, &mut bed.ledger, Ending::Reset);
    for at in 0..3 {
        bed.requests.push(&asked(100 + at), 32, 100 + at);
    }
    for (stream, request) in [(1, 7), (2, 5), (0, 6)] {
        bed.reply_on(stream, request, 200);
    }
    assert_eq!((bed.ledger.interval().tally.ok, bed.ledger.interval().tally.reset), (4, 4));
    assert_eq!(bed.errors(), []);
}

#[test]
fn what_was_given_up_is_known_until_its_reply_comes_and_is_not_given_up_again() {
    let mut bed = Bed::new(4);
    assert!(bed.requests.expire(5, 1, 50, &mut bed.ledger));
    assert_eq!((bed.requests.given_up(), bed.requests.waiting()), (2, 2));
    assert_eq!(
        (bed.requests.oldest_waiting(), bed.requests.oldest_written()),
        (Some(2), Some(2))
    );
    assert!(!bed.requests.expire(5, 1, 51, &mut bed.ledger));
    bed.reply(5, 0, 60);
    assert_eq!((bed.requests.given_up(), bed.requests.waiting()), (1, 2));
    bed.reply(5, 3, 61);
    assert_eq!((bed.requests.given_up(), bed.requests.waiting()), (0, 0), "passed over");
    bed.requests.push(&asked(70), 32, 70);
    assert_eq!(bed.requests.oldest_waiting(), Some(4));
    assert!(bed.requests.expire(5, 70, 99, &mut bed.ledger));
    bed.requests.abandon(100, &mut bed.ledger, Ending::Closed);
    assert_eq!((bed.requests.given_up(), bed.requests.oldest_waiting()), (0, None));
    bed.requests.push(&asked(110), 32, 110);
    assert_eq!(bed.requests.oldest_waiting(), Some(5));
    let tally = bed.ledger.interval().tally;
    assert_eq!((tally.timeout, tally.ok, tally.closed), (3, 1, 0), "{tally:?}");
}

#[test]
fn replies_that_come_in_turn_after_their_time_are_taken_off_the_given_up() {
    let mut bed = Bed::new(3);
    assert!(bed.requests.expire(5, 1, 50, &mut bed.ledger));
    bed.requests.answer_in_turn(3, 60, &mut bed.ledger);
    bed.ledger.settle();
    assert_eq!((bed.requests.given_up(), bed.requests.waiting()), (0, 0));
    assert_eq!(bed.ledger.interval().tally.ok, 1);
}

/// A scan of all that were given up, for each new one, would take a hundred times as long.
#[test]
fn what_was_given_up_costs_nothing_when_more_is_given_up() {
    const MORE: u64 = 2000;
    let time_beside = |given_up: u64| {
        let mut bed = Bed::new(given_up);
        bed.requests.expire(5, given_up, given_up, &mut bed.ledger);
        let begin = std::time::Instant::now();
        for at in given_up + 1..=given_up + MORE {
            bed.requests.push(&asked(at), 32, at);
            assert_eq!(bed.requests.oldest_written(), Some(at));
            assert!(bed.requests.expire(5, at, at, &mut bed.ledger));
        }
        assert_eq!(u64::from(bed.requests.given_up()), given_up + MORE);
        begin.elapsed()
    };
    // The faster of two: others use the CPUs, too.
    let fastest = |given_up| time_beside(given_up).min(time_beside(given_up));
    let (few, many) = (fastest(1000), fastest(200_000));
    assert!(many < 10 * few + std::time::Duration::from_millis(20), "{many:?}, not {few:?}");
}
