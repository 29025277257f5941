//! The requests of one connection that have no answer yet, and the matching of replies to
//! them: [`InFlight`]. Pure: no clock, no socket.

use std::collections::VecDeque;

use echo_net::Nanos;
use echo_proto::{Answers, Outcome, Reply};

use crate::messages::{Deviation, Messages};
use crate::record::{Difference, FailureKind, FirstOffender, Interval};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its answer is awaited.
    Waiting,
    /// Counted as failed already; its answer may still come and must be matched.
    GivenUp,
    /// Answered out of turn.
    Answered,
}

/// One request.
#[derive(Debug, Clone, Copy)]
struct Slot {
    intended: Nanos,
    written: Nanos,
    /// Whether it belongs to the measured window.
    measured: bool,
    state: State,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct InFlight {
    slots: VecDeque<Slot>,
    /// The request number of the first slot.
    first: u64,
    /// Requests take the streams in turn; answers keep their order within one only.
    streams: u64,
    /// For each of several streams a request number of its own before which all are
    /// answered, so that no answered one is looked at twice.
    oldest: Vec<u64>,
    waiting: u32,
    /// How many of those that wait belong to the measured window.
    measured: u32,
    right_answers: u64,
    /// The last few requests that were passed over: an answer to one comes out of turn,
    /// and is no second one.
    passed_over: VecDeque<u64>,
}

/// How many requests that were passed over are remembered.
const PASSED_OVER: usize = 64;

impl InFlight {
    /// Nothing yet, on so many streams.
    pub(super) fn new(streams: u32) -> Self {
        let streams = u64::from(streams.max(1));
        let oldest = if streams > 1 { (0..streams).collect() } else { Vec::new() };
        Self {
            slots: VecDeque::new(),
            first: 0,
            streams,
            oldest,
            waiting: 0,
            measured: 0,
            right_answers: 0,
            passed_over: VecDeque::new(),
        }
    }

    /// Requests that await an answer.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Requests of the measured window that await an answer.
    pub(super) fn measured(&self) -> u32 {
        self.measured
    }

    /// Right answers so far, in warm-up and drain too.
    pub(super) fn right_answers(&self) -> u64 {
        self.right_answers
    }

    /// The number of the oldest request that awaits an answer.
    pub(super) fn oldest_waiting(&self) -> Option<u64> {
        let place = self.slots.iter().position(|slot| slot.state == State::Waiting)?;
        Some(self.first + place as u64)
    }

    /// The number of the next request.
    pub(super) fn next_request(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Adds the next request.
    #[inline]
    pub(super) fn push(&mut self, intended: Nanos, written: Nanos, measured: bool) {
        self.slots.push_back(Slot { intended, written, measured, state: State::Waiting });
        self.waiting += 1;
        self.measured += u32::from(measured);
    }

    /// Books the reply that has arrived whole at `at`.
    #[inline]
    pub(super) fn settle(
        &mut self,
        connection: u32,
        messages: &Messages,
        reply: Reply<'_>,
        at: Nanos,
        into: &mut Interval,
    ) {
        self.drop_answered();
        let Some(place) = self.place_of(reply.answers) else {
            return self.settle_stray(connection, messages, reply, into);
        };
        let request = self.first + place as u64;
        if reply.outcome == Outcome::Echo
            && messages.check(connection, request, reply.body).is_ok()
        {
            self.answer(place, at, into);
        } else {
            self.settle_deviant(connection, place, messages, reply, at, into);
        }
    }

    /// The slot whose turn it is to be answered.
    #[inline]
    fn place_of(&mut self, answers: Answers) -> Option<usize> {
        let stream = match answers {
            Answers::Oldest => 0,
            Answers::OldestOf(stream) => u64::from(stream),
        };
        if stream >= self.streams {
            return None;
        }
        let Some(oldest) = self.oldest.get_mut(stream as usize) else {
            return (!self.slots.is_empty()).then_some(0);
        };
        if *oldest < self.first {
            *oldest += (self.first - *oldest).next_multiple_of(self.streams);
        }
        loop {
            let place = (*oldest - self.first) as usize;
            match self.slots.get(place) {
                Some(slot) if slot.state == State::Answered => *oldest += self.streams,
                Some(_) => return Some(place),
                None => return None,
            }
        }
    }

    /// Books a right answer to the slot at `place`.
    #[inline]
    fn answer(&mut self, place: usize, at: Nanos, into: &mut Interval) {
        let slot = &mut self.slots[place];
        let was_waiting = slot.state == State::Waiting;
        slot.state = State::Answered;
        if was_waiting {
            self.waiting -= 1;
            self.right_answers += 1;
            if slot.measured {
                self.measured -= 1;
                into.tally.ok += 1;
                into.latencies.record(slot.intended, slot.written, at);
            }
        }
        self.drop_answered();
    }

    #[cold]
    fn settle_deviant(
        &mut self,
        connection: u32,
        place: usize,
        messages: &Messages,
        reply: Reply<'_>,
        at: Nanos,
        into: &mut Interval,
    ) {
        let oldest = self.first + place as u64;
        let first = |request: u64, detail: String| {
            let mut expected = Vec::new();
            messages.write(connection, oldest, &mut expected);
            let mut offender = offender(connection, Some(request), detail);
            offender.difference = Some(Difference::between(&expected, reply.body));
            offender
        };
        let kind = match reply.outcome {
            Outcome::Error => FailureKind::ErrorReply,
            Outcome::Unexpected if !messages.resembles(connection, oldest, reply.body) => {
                // Chatter: no request is answered by it, not even wrongly.
                into.errors.count(FailureKind::Unsolicited, || {
                    offender(connection, None, excerpt(reply.body))
                });
                return;
            }
            Outcome::Unexpected => FailureKind::Malformed,
            Outcome::Echo => match messages.check(connection, oldest, reply.body) {
                Ok(()) => return self.answer(place, at, into),
                Err(Deviation::Corrupt) => FailureKind::Corrupt,
                Err(Deviation::Truncated) => FailureKind::Truncated,
                Err(Deviation::Extended) => FailureKind::Extended,
                Err(Deviation::Foreign { connection: other }) => {
                    into.errors.count(FailureKind::Foreign, || {
                        first(oldest, format!("got the reply of connection {other}"))
                    });
                    return self.fail(place, at, into);
                }
                Err(Deviation::Elsewhere { request }) => {
                    return self.settle_elsewhere(place, request, at, into, first);
                }
            },
        };
        into.errors.count(kind, || first(oldest, excerpt(reply.body)));
        if kind == FailureKind::ErrorReply {
            self.end_answered(place, at, into, |tally| &mut tally.error);
        } else {
            self.fail(place, at, into);
        }
    }

    /// Books a right reply to another request of this connection than the one at `turn`,
    /// the oldest of its stream.
    fn settle_elsewhere(
        &mut self,
        turn: usize,
        request: u64,
        at: Nanos,
        into: &mut Interval,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let oldest = self.first + turn as u64;
        let streams = self.streams;
        if request % streams != oldest % streams {
            into.errors.count(FailureKind::Foreign, || {
                first(oldest, format!("got the reply of stream {}", request % streams))
            });
            return self.fail(turn, at, into);
        }
        let place = request.checked_sub(self.first).map(|place| place as usize);
        let Some(place) = place.filter(|place| (turn..self.slots.len()).contains(place)) else {
            self.count_late(request, into, first);
            return;
        };
        for passed in (turn..place).step_by(streams as usize) {
            if self.slots[passed].state == State::Answered {
                continue;
            }
            let number = self.first + passed as u64;
            into.errors.count(FailureKind::Dropped, || {
                first(number, format!("request {request} was answered before it"))
            });
            self.passed_over.truncate(PASSED_OVER - 1);
            self.passed_over.push_front(number);
            self.end(passed, at, into, State::Answered, |tally| &mut tally.mismatch, true);
        }
        self.answer(place, at, into);
    }

    /// Books a reply that comes while nothing is asked for.
    #[cold]
    fn settle_stray(
        &mut self,
        connection: u32,
        messages: &Messages,
        reply: Reply<'_>,
        into: &mut Interval,
    ) {
        let next = self.next_request();
        let stream = match reply.answers {
            Answers::Oldest => 0,
            Answers::OldestOf(stream) => u64::from(stream),
        };
        let echo = reply.outcome == Outcome::Echo;
        match messages.check(connection, next, reply.body) {
            Err(Deviation::Elsewhere { request })
                if echo && request < next && request % self.streams == stream =>
            {
                self.count_late(request, into, |request, detail| {
                    let mut offender = offender(connection, Some(request), detail);
                    offender.difference = Some(Difference::between(b"", reply.body));
                    offender
                });
            }
            _ => into.errors.count(FailureKind::Unsolicited, || {
                offender(connection, None, excerpt(reply.body))
            }),
        }
    }

    /// Counts a reply to a request that has ended; it uses up no other.
    fn count_late(
        &mut self,
        request: u64,
        into: &mut Interval,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let passed = self.passed_over.iter().position(|&passed| passed == request);
        let (kind, what) = match passed {
            Some(_) => (FailureKind::Reordered, "answered after a later one"),
            None => (FailureKind::Duplicated, "answered again"),
        };
        passed.and_then(|passed| self.passed_over.remove(passed));
        into.errors.count(kind, || first(request, format!("request {request} was {what}")));
    }

    fn fail(&mut self, place: usize, at: Nanos, into: &mut Interval) {
        self.end_answered(place, at, into, |tally| &mut tally.mismatch);
    }

    /// Ends a request with a reply that is no right answer: it was answered, so its latency
    /// is known and says nothing about right answers; it is only counted.
    fn end_answered(
        &mut self,
        place: usize,
        at: Nanos,
        into: &mut Interval,
        count: impl Fn(&mut crate::record::Tally) -> &mut u64,
    ) {
        self.end(place, at, into, State::Answered, count, false);
        self.drop_answered();
    }

    /// Ends the slot at `place`, if it waits, without a right answer.
    fn end(
        &mut self,
        place: usize,
        at: Nanos,
        into: &mut Interval,
        state: State,
        count: impl Fn(&mut crate::record::Tally) -> &mut u64,
        censored: bool,
    ) {
        let slot = &mut self.slots[place];
        let was_waiting = slot.state == State::Waiting;
        slot.state = state;
        if !was_waiting {
            return;
        }
        self.waiting -= 1;
        if slot.measured {
            self.measured -= 1;
            *count(&mut into.tally) += 1;
            if censored {
                into.latencies.record_censored(slot.intended, Some(slot.written), at);
            }
        }
    }

    /// Gives up requests that were written at `before` or earlier; how many.
    pub(super) fn expire(
        &mut self,
        connection: u32,
        before: Nanos,
        at: Nanos,
        into: &mut Interval,
    ) -> u32 {
        let mut expired = 0;
        for place in 0..self.slots.len() {
            let slot = self.slots[place];
            if slot.written > before {
                break;
            }
            if slot.state != State::Waiting {
                continue;
            }
            expired += 1;
            if slot.measured {
                let request = self.first + place as u64;
                into.errors.count(FailureKind::Timeout, || {
                    let waited = (at - slot.written) / 1_000_000;
                    offender(connection, Some(request), format!("no reply after {waited} ms"))
                });
            }
            self.end(place, at, into, State::GivenUp, |tally| &mut tally.timeout, true);
        }
        expired
    }

    /// Ends everything: the connection is gone, or the run is over. Request numbers go on.
    pub(super) fn abandon(
        &mut self,
        at: Nanos,
        into: &mut Interval,
        count: impl Fn(&mut crate::record::Tally) -> &mut u64,
    ) {
        for place in 0..self.slots.len() {
            self.end(place, at, into, State::GivenUp, &count, true);
        }
        self.first = self.next_request();
        self.slots.clear();
    }

    fn drop_answered(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.state == State::Answered) {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

fn offender(connection: u32, request: Option<u64>, detail: String) -> FirstOffender {
    FirstOffender { connection, request, detail, difference: None }
}

/// The beginning of a reply, safe to print.
fn excerpt(body: &[u8]) -> String {
    let shown = body[..body.len().min(64)].escape_ascii();
    format!("got `{shown}`{} ({} bytes)", if body.len() > 64 { "…" } else { "" }, body.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Verify;

    struct Bed {
        messages: Messages,
        requests: InFlight,
        interval: Interval,
    }

    impl Bed {
        fn new(requests: u64) -> Self {
            Self::with_streams(requests, 1)
        }

        fn with_streams(requests: u64, streams: u32) -> Self {
            let messages = Messages::generated(32, 32, 0, Verify::Full);
            let mut in_flight = InFlight::new(streams);
            for number in 0..requests {
                in_flight.push(number, number, true);
            }
            Self { messages, requests: in_flight, interval: Interval::new(0, false) }
        }

        fn text(&self, connection: u32, request: u64) -> Vec<u8> {
            let mut text = Vec::new();
            self.messages.write(connection, request, &mut text);
            text
        }

        fn reply_with(&mut self, outcome: Outcome, body: &[u8], at: Nanos) {
            let reply = Reply { answers: Answers::Oldest, outcome, body };
            self.requests.settle(5, &self.messages, reply, at, &mut self.interval);
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
                body: &body,
            };
            self.requests.settle(5, &self.messages, reply, at, &mut self.interval);
        }

        fn errors(&self) -> Vec<(String, u64)> {
            let errors = self.interval.errors.iter();
            errors.map(|(kind, count, _)| (kind.to_string(), count)).collect()
        }
    }

    #[test]
    fn answers_in_turn_are_timed_each_by_its_own_clock() {
        let mut bed = Bed::new(2);
        bed.reply(5, 0, 100);
        bed.reply(5, 1, 301);
        assert_eq!(bed.interval.tally.ok, 2);
        let response = bed.interval.latencies.response.histogram();
        assert_eq!((response.min(), response.max()), (100, 300));
        assert_eq!((bed.requests.waiting(), bed.requests.next_request()), (0, 2));
    }

    #[test]
    fn a_request_passed_over_is_dropped_and_later_ones_stay_in_step() {
        let mut bed = Bed::new(4);
        bed.reply(5, 2, 50);
        assert_eq!(bed.errors(), [("dropped".into(), 2)]);
        assert_eq!((bed.interval.tally.ok, bed.interval.tally.mismatch), (1, 2));
        assert_eq!(bed.interval.latencies.response.censored(), 2);
        bed.reply(5, 3, 60);
        assert_eq!(bed.interval.tally.ok, 2);
    }

    #[test]
    fn an_answer_given_twice_uses_up_no_request() {
        let mut bed = Bed::new(2);
        bed.reply(5, 0, 50);
        bed.reply(5, 0, 51);
        bed.reply(5, 1, 52);
        assert_eq!(bed.errors(), [("duplicated".into(), 1)]);
        assert_eq!((bed.interval.tally.ok, bed.interval.tally.mismatch), (2, 0));
    }

    #[test]
    fn an_answer_to_a_request_passed_over_is_out_of_turn_and_a_second_one_is_double() {
        let mut bed = Bed::new(3);
        for request in [1, 0, 0, 2] {
            bed.reply(5, request, 50);
        }
        assert_eq!(
            bed.errors(),
            [("duplicated".into(), 1), ("dropped".into(), 1), ("reordered".into(), 1)]
        );
        assert_eq!((bed.interval.tally.ok, bed.interval.tally.mismatch), (2, 1));
        let (.., first) = bed.interval.errors.iter().next().expect("just counted");
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
        assert_eq!((bed.interval.tally.mismatch, bed.interval.tally.error), (2, 1));
        assert_eq!(bed.interval.latencies.response.count(), 0, "wrong answers have no latency");
        bed.reply(5, 9, 60);
        assert_eq!(bed.interval.errors.of(FailureKind::Unsolicited), 1);
    }

    #[test]
    fn a_late_answer_is_matched_and_counted_once_as_timeout() {
        let mut bed = Bed::new(2);
        assert_eq!(bed.requests.expire(5, 0, 1000, &mut bed.interval), 1);
        assert_eq!(bed.requests.waiting(), 1);
        bed.reply(5, 0, 2000);
        bed.reply(5, 1, 2001);
        assert_eq!((bed.interval.tally.timeout, bed.interval.tally.ok), (1, 1));
        assert!(bed.interval.errors.iter().all(|(kind, ..)| kind == FailureKind::Timeout));
    }

    #[test]
    fn requests_of_a_lost_connection_are_censored_at_their_age() {
        let mut bed = Bed::new(3);
        bed.requests.abandon(500, &mut bed.interval, |tally| &mut tally.reset);
        assert_eq!(bed.interval.tally.reset, 3);
        assert_eq!(bed.interval.latencies.response.censored(), 3);
        assert_eq!((bed.requests.waiting(), bed.requests.next_request()), (0, 3));
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
        assert_eq!((bed.interval.tally.ok, bed.requests.waiting()), (9, 0));
        let response = bed.interval.latencies.response.histogram();
        assert_eq!((response.min(), response.max()), (100, 100), "each by its own clock");
        bed.requests.push(200, 200, true);
        bed.reply_on(0, 9, 300);
        assert_eq!(bed.interval.tally.ok, 10);
    }

    #[test]
    fn a_stream_that_answers_out_of_turn_is_told_and_the_others_are_not_blamed() {
        let mut bed = Bed::with_streams(8, 2);
        bed.reply_on(0, 4, 50);
        assert_eq!(bed.errors(), [("dropped".into(), 2)]);
        bed.reply_on(0, 2, 51);
        assert_eq!(bed.errors(), [("dropped".into(), 2), ("reordered".into(), 1)]);
        for request in [1, 3, 5, 7] {
            bed.reply_on(1, request, 52);
        }
        bed.reply_on(0, 6, 53);
        assert_eq!((bed.interval.tally.ok, bed.interval.tally.mismatch), (6, 2));
        assert_eq!(bed.requests.waiting(), 0);
    }

    #[test]
    fn a_reply_on_the_wrong_stream_is_foreign_and_on_none_unsolicited() {
        let mut bed = Bed::with_streams(4, 2);
        bed.reply_on(0, 1, 50);
        assert_eq!(bed.errors(), [("foreign".into(), 1)]);
        bed.reply_on(7, 0, 50);
        assert_eq!(bed.interval.errors.of(FailureKind::Unsolicited), 1);
        assert_eq!((bed.interval.tally.mismatch, bed.requests.waiting()), (1, 3));
    }

    #[test]
    fn streams_stay_in_step_after_a_connection_was_lost() {
        let mut bed = Bed::with_streams(5, 3);
        bed.reply_on(0, 0, 50);
        bed.requests.abandon(60, &mut bed.interval, |tally| &mut tally.reset);
        for at in 0..3 {
            bed.requests.push(100 + at, 100 + at, true);
        }
        for (stream, request) in [(1, 7), (2, 5), (0, 6)] {
            bed.reply_on(stream, request, 200);
        }
        assert_eq!((bed.interval.tally.ok, bed.interval.tally.reset), (4, 4));
        assert_eq!(bed.errors(), []);
    }
}
