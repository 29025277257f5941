//! The requests of one connection that have no answer yet, and the matching of replies to
//! them: [`InFlight`]. Pure: no clock, no socket.

use std::collections::VecDeque;

use echo_net::Nanos;
use echo_proto::{Answers, Outcome, Reply};

use crate::messages::{Deviation, Messages};
use crate::record::{Difference, FailureKind, FirstOffender, difference_in_words};
use crate::rig::{Asked, Ending, Ledger};

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
pub(crate) struct InFlight {
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
    pub(crate) fn new(streams: u32) -> Self {
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
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Requests of the measured window that await an answer.
    pub(crate) fn measured(&self) -> u32 {
        self.measured
    }

    /// Successful replies so far, in warm-up and drain too.
    pub(crate) fn right_answers(&self) -> u64 {
        self.right_answers
    }

    /// The number of the oldest request that awaits an answer.
    pub(crate) fn oldest_waiting(&self) -> Option<u64> {
        let place = self.slots.iter().position(|slot| slot.state == State::Waiting)?;
        Some(self.first + place as u64)
    }

    /// When the oldest request that awaits an answer was written.
    pub(crate) fn oldest_written(&self) -> Option<Nanos> {
        let slot = self.slots.iter().find(|slot| slot.state == State::Waiting)?;
        Some(slot.written)
    }

    /// The number of the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Goes on with a request of this number, where none awaits an answer.
    pub(crate) fn begin_at(&mut self, request: u64) {
        debug_assert!(self.slots.is_empty(), "requests keep their numbers");
        self.first = request;
        self.passed_over.clear();
    }

    /// Adds the next request.
    #[inline]
    pub(crate) fn push(&mut self, intended: Nanos, written: Nanos, measured: bool) {
        self.slots.push_back(Slot { intended, written, measured, state: State::Waiting });
        self.waiting += 1;
        self.measured += u32::from(measured);
    }

    /// Books the reply that has arrived whole at `at`.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        connection: u32,
        messages: &Messages,
        reply: Reply<'_>,
        at: Nanos,
        into: &mut Ledger,
    ) {
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

    /// Books a successful reply to the slot at `place`.
    #[inline]
    fn answer(&mut self, place: usize, at: Nanos, into: &mut Ledger) {
        let slot = &mut self.slots[place];
        let was_waiting = slot.state == State::Waiting;
        slot.state = State::Answered;
        if was_waiting {
            self.waiting -= 1;
            self.right_answers += 1;
            self.measured -= u32::from(slot.measured);
            into.succeed(slot.intended, slot.written, slot.measured, at);
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
        into: &mut Ledger,
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
                into.errors().count(FailureKind::Unsolicited, || {
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
                    into.errors().count(FailureKind::Foreign, || {
                        first(oldest, format!("got the reply of connection {other}"))
                    });
                    return self.fail(place, at, into);
                }
                Err(Deviation::Elsewhere { request }) => {
                    return self.settle_elsewhere(place, request, at, into, first);
                }
            },
        };
        into.errors().count(kind, || {
            let status = reply.status.map(|status| format!("status {status}, "));
            let told = if reply.outcome == Outcome::Echo {
                let mut expected = Vec::new();
                messages.write(connection, oldest, &mut expected);
                difference_in_words(&expected, reply.body)
            } else {
                excerpt(reply.body)
            };
            first(oldest, format!("{}{told}", status.unwrap_or_default()))
        });
        if kind == FailureKind::ErrorReply {
            self.end_answered(place, at, into, Ending::Error);
        } else {
            self.fail(place, at, into);
        }
    }

    /// Books a correct reply to another request of this connection than the one at `turn`,
    /// the oldest of its stream.
    fn settle_elsewhere(
        &mut self,
        turn: usize,
        request: u64,
        at: Nanos,
        into: &mut Ledger,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let oldest = self.first + turn as u64;
        let streams = self.streams;
        if request % streams != oldest % streams {
            into.errors().count(FailureKind::Foreign, || {
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
            into.errors().count(FailureKind::Dropped, || {
                first(number, format!("request {request} was answered before it"))
            });
            self.passed_over.truncate(PASSED_OVER - 1);
            self.passed_over.push_front(number);
            self.end(passed, at, into, State::Answered, Ending::Unmatched);
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
        into: &mut Ledger,
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
            _ => into.errors().count(FailureKind::Unsolicited, || {
                offender(connection, None, excerpt(reply.body))
            }),
        }
    }

    /// Counts a reply to a request that has ended; it uses up no other.
    fn count_late(
        &mut self,
        request: u64,
        into: &mut Ledger,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let passed = self.passed_over.iter().position(|&passed| passed == request);
        let (kind, what) = match passed {
            Some(_) => (FailureKind::Reordered, "answered after a later one"),
            None => (FailureKind::Duplicated, "answered again"),
        };
        passed.and_then(|passed| self.passed_over.remove(passed));
        into.errors().count(kind, || first(request, format!("request {request} was {what}")));
    }

    fn fail(&mut self, place: usize, at: Nanos, into: &mut Ledger) {
        self.end_answered(place, at, into, Ending::Mismatch);
    }

    /// Ends a request with a wrong reply: it was answered, so its latency
    /// is known and says nothing about successes; it is only counted.
    fn end_answered(&mut self, place: usize, at: Nanos, into: &mut Ledger, ending: Ending) {
        self.end(place, at, into, State::Answered, ending);
        self.drop_answered();
    }

    /// Ends the slot at `place`, if it waits, without success.
    fn end(
        &mut self,
        place: usize,
        at: Nanos,
        into: &mut Ledger,
        state: State,
        ending: Ending,
    ) {
        let slot = &mut self.slots[place];
        let was_waiting = slot.state == State::Waiting;
        slot.state = state;
        if was_waiting {
            let Slot { intended, written, measured, .. } = *slot;
            self.waiting -= 1;
            self.measured -= u32::from(measured);
            into.end(Asked { intended, written: Some(written), measured }, ending, at);
        }
    }

    /// Gives up requests that were written at `before` or earlier; whether there were any.
    pub(crate) fn expire(
        &mut self,
        connection: u32,
        before: Nanos,
        at: Nanos,
        into: &mut Ledger,
    ) -> bool {
        let mut expired = false;
        for place in 0..self.slots.len() {
            let slot = self.slots[place];
            if slot.written > before {
                break;
            }
            if slot.state != State::Waiting {
                continue;
            }
            expired = true;
            if slot.measured {
                let request = self.first + place as u64;
                into.errors().count(FailureKind::Timeout, || {
                    let waited = (at - slot.written) / 1_000_000;
                    offender(connection, Some(request), format!("no reply after {waited} ms"))
                });
            }
            self.end(place, at, into, State::GivenUp, Ending::Timeout);
        }
        expired
    }

    /// Books bytes that are no reply of the protocol: a wrong answer to the request whose turn
    /// it is. Nothing after them can be matched.
    pub(crate) fn garble(&mut self, at: Nanos, into: &mut Ledger) {
        let turn = self.slots.iter().position(|slot| slot.state != State::Answered);
        if let Some(place) = turn {
            self.fail(place, at, into);
        }
    }

    /// Ends everything: the connection is gone, or the run is over. Request numbers go on.
    pub(crate) fn abandon(&mut self, at: Nanos, into: &mut Ledger, ending: Ending) {
        for place in 0..self.slots.len() {
            self.end(place, at, into, State::GivenUp, ending);
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
mod tests;
