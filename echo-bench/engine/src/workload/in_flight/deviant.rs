//! Replies that are not the awaited ones: wrong, out of turn, late, or asked for by nobody.
//! Rare, and so kept apart from the path of all others.

use echo_net::Nanos;
use echo_proto::{Answers, Outcome, Reply};

use super::{InFlight, PASSED_OVER, State};
use crate::messages::{Deviation, Messages};
use crate::record::{Difference, FailureKind, FirstOffender, difference_in_words};
use crate::rig::{Ending, Ledger};

impl InFlight {
    #[cold]
    pub(super) fn settle_deviant(
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
    pub(super) fn settle_stray(
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
}

pub(super) fn offender(connection: u32, request: Option<u64>, detail: String) -> FirstOffender {
    FirstOffender { connection, request, detail, difference: None }
}

/// The beginning of a reply, safe to print.
fn excerpt(body: &[u8]) -> String {
    let shown = body[..body.len().min(64)].escape_ascii();
    format!("got `{shown}`{} ({} bytes)", if body.len() > 64 { "…" } else { "" }, body.len())
}
