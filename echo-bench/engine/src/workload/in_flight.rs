//! The requests of one connection that have no answer yet, and the matching of replies to
//! them: [`InFlight`]. Pure: no clock, no socket.

use std::collections::VecDeque;

use echo_net::Nanos;
use echo_proto::{Answers, Outcome, Reply};

use crate::messages::Messages;
use crate::rig::{Asked, Ending, Ledger};

mod deviant;
mod overdue;
mod passed_over;

pub(super) use deviant::excerpt;
use passed_over::{Passed, PassedOver};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its answer is awaited.
    Waiting,
    /// Counted as failed already; its answer may still come and must be matched.
    GivenUp,
    /// Answered out of turn, or passed over.
    Answered,
}

/// One request.
#[derive(Debug, Clone, Copy)]
struct Slot {
    intended: Nanos,
    /// From when on nothing but the generator held it up.
    ready: Nanos,
    written: Nanos,
    /// Its bytes as they were encoded, at most 2^32 - 1.
    size: u32,
    /// Whether it belongs to the measured window.
    measured: bool,
    state: State,
}

impl Slot {
    fn asked(&self) -> Asked {
        let Self { intended, ready, written, measured, .. } = *self;
        Asked { intended, ready, written: Some(written), measured }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Whose requests they are, for the counts of each.
    actor: u32,
    slots: VecDeque<Slot>,
    /// The request number of the first slot.
    first: u64,
    /// Requests take the streams in turn; answers keep their order within one only.
    streams: u64,
    /// For each of several streams a request number of its own before which all are
    /// answered, so that no answered one is looked at twice.
    oldest: Vec<u64>,
    waiting: u32,
    /// Requests that were given up and whose answer may still come.
    given_up: u32,
    /// No request before this one awaits an answer, so that none is looked at twice.
    settled: u64,
    /// How many requests of the measured window have not ended.
    measured: u32,
    right_answers: u64,
    /// The last few requests that were passed over: an answer to one comes out of turn,
    /// and is no second one.
    passed_over: PassedOver,
    /// The first request of which the kernel has not taken all bytes, where that is known.
    unwritten: Option<u64>,
    /// The connection whose request is the last one, and its number, where actors take turns.
    turn: Option<(u32, u64)>,
    /// The same of the actor before.
    before: Option<(u32, u64)>,
}

impl InFlight {
    /// Nothing yet of this actor, on so many streams.
    pub(crate) fn new(actor: u32, streams: u32) -> Self {
        let streams = u64::from(streams.max(1));
        let oldest = if streams > 1 { (0..streams).collect() } else { Vec::new() };
        Self {
            actor,
            slots: VecDeque::new(),
            first: 0,
            streams,
            oldest,
            waiting: 0,
            given_up: 0,
            settled: 0,
            measured: 0,
            right_answers: 0,
            passed_over: PassedOver::default(),
            unwritten: None,
            turn: None,
            before: None,
        }
    }

    /// Requests that await an answer.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Requests that await an answer, or were passed over and may still get one.
    pub(crate) fn unanswered(&self) -> u32 {
        self.waiting + self.passed_over.open()
    }

    /// Requests of the measured window that have not ended.
    pub(crate) fn measured(&self) -> u32 {
        self.measured
    }

    /// Successful replies so far, in warm-up and drain too.
    pub(crate) fn right_answers(&self) -> u64 {
        self.right_answers
    }

    /// The number of the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Goes on with a request of this connection and number of another actor, where none awaits
    /// an answer.
    pub(crate) fn begin_at(&mut self, actor: u32, (connection, request): (u32, u64)) {
        debug_assert!(self.slots.is_empty(), "requests keep their numbers");
        (self.actor, self.first, self.settled) = (actor, request, request);
        self.before = self.turn.replace((connection, request));
        self.passed_over.clear();
    }

    /// The connection of the actor whose turn it is or was last.
    pub(crate) fn turn(&self) -> Option<u32> {
        self.turn.map(|(connection, _)| connection)
    }

    /// So many bytes of requests were not written when what is settled next was read.
    #[inline]
    pub(crate) fn set_unsent(&mut self, bytes: usize) {
        self.unwritten = (bytes > 0).then(|| self.first_unwritten(bytes));
    }

    fn first_unwritten(&self, bytes: usize) -> u64 {
        let (mut left, mut request) = (bytes, self.next_request());
        for slot in self.slots.iter().rev() {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(slot.size as usize);
            request -= 1;
        }
        request
    }

    /// Whether a request was not written whole when what is settled next was read.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unwritten.is_some()
    }

    /// Adds the next request, of so many bytes, which is written `at` this instant.
    #[inline]
    pub(crate) fn push(&mut self, asked: &Asked, size: u32, at: Nanos) {
        self.push_run(asked, &[size], at);
    }

    /// Adds requests that differ in nothing but their sizes, and are written `at` this instant.
    #[inline]
    pub(crate) fn push_run(&mut self, asked: &Asked, sizes: &[u32], at: Nanos) {
        let &Asked { intended, ready, measured, .. } = asked;
        let state = State::Waiting;
        let slot = |&size| Slot { intended, ready, written: at, size, measured, state };
        self.slots.extend(sizes.iter().map(slot));
        self.waiting += sizes.len() as u32;
        self.measured += sizes.len() as u32 * u32::from(measured);
    }

    /// Whether no request lacks its answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Books the right replies to the oldest requests, so many, that have arrived whole at `at`.
    /// Until now each was answered in its turn.
    #[inline]
    pub(crate) fn answer_in_turn(&mut self, replies: u64, at: Nanos, into: &mut Ledger) {
        let replies = self.slots.len().min(replies as usize);
        let mut late = 0;
        let mut slots = self.slots.drain(..replies).filter(|slot| {
            late += u32::from(slot.state == State::GivenUp);
            slot.state == State::Waiting
        });
        let mut next = slots.next();
        while let Some(slot) = next {
            // What was written together, which ends together.
            let asked = slot.asked();
            let mut count = 1;
            next = slots.find(|slot| {
                let is_alike = slot.asked() == asked;
                count += u64::from(is_alike);
                !is_alike
            });
            self.waiting -= count as u32;
            self.right_answers += count;
            self.measured -= count as u32 * u32::from(slot.measured);
            into.succeed(self.actor, &asked, count, at);
        }
        drop(slots);
        self.given_up -= late;
        self.first += replies as u64;
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
            return self.settle_stray(connection, messages, reply, at, into);
        };
        let request = self.first + place as u64;
        if reply.outcome == Outcome::Echo
            && self.unwritten.is_none()
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
        let before = std::mem::replace(&mut slot.state, State::Answered);
        if before == State::Waiting {
            self.waiting -= 1;
            self.right_answers += 1;
            self.measured -= u32::from(slot.measured);
            into.succeed(self.actor, &slot.asked(), 1, at);
        } else {
            self.given_up -= u32::from(before == State::GivenUp);
        }
        self.drop_answered();
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
        let before = std::mem::replace(&mut slot.state, state);
        self.given_up += u32::from(state == State::GivenUp);
        self.given_up -= u32::from(before == State::GivenUp);
        if before == State::Waiting {
            self.waiting -= 1;
            self.measured -= u32::from(slot.measured);
            into.end(self.actor, &slot.asked(), ending, at);
        }
    }

    /// Books bytes that are no reply of the protocol: a wrong answer to the request whose turn
    /// it is. Nothing after them can be matched.
    pub(crate) fn garble(&mut self, at: Nanos, into: &mut Ledger) {
        let turn = self.slots.iter().position(|slot| slot.state != State::Answered);
        if let Some(place) = turn {
            self.fail(place, at, into);
        }
    }

    fn drop_answered(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.state == State::Answered) {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests;
