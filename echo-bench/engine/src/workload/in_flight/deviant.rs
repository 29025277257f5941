//! Replies that are not the awaited ones: wrong, out of turn, late, or asked for by nobody.
//! Rare, and so kept apart from the path of all others.

use echo_net::Nanos;
use echo_proto::{Answers, Outcome, Reply};

use super::{InFlight, Passed, State};
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
        // Whoever was given up is counted already, and not again for what comes late.
        let slot = self.slots[place];
        let (asked, waits) = (slot.asked(), slot.state == State::Waiting);
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
                into.list(FailureKind::Unsolicited, at, || {
                    offender(connection, None, excerpt(reply.body))
                });
                return;
            }
            Outcome::Unexpected => FailureKind::Malformed,
            Outcome::Echo => match messages.check(connection, oldest, reply.body) {
                Ok(()) if !self.is_unwritten(place) => return self.answer(place, at, into),
                // Whoever answers before it has the question can't know it.
                Ok(()) => {
                    if waits {
                        into.list_of(&asked, FailureKind::Unsolicited, at, || {
                            first(oldest, "a reply ended before its request was written".into())
                        });
                    }
                    return self.fail(place, at, into);
                }
                Err(Deviation::Corrupt) => FailureKind::Corrupt,
                Err(Deviation::Truncated) => FailureKind::Truncated,
                Err(Deviation::Extended) => FailureKind::Extended,
                Err(Deviation::Foreign { connection, request })
                    if self.before == Some((connection, request)) =>
                {
                    return into.list(FailureKind::Duplicated, at, || {
                        offender(
                            connection,
                            Some(request),
                            format!("request {request} was answered again"),
                        )
                    });
                }
                Err(Deviation::Foreign { connection: other, .. }) => {
                    if waits {
                        into.list_of(&asked, FailureKind::Foreign, at, || {
                            first(oldest, format!("got the reply of connection {other}"))
                        });
                    }
                    // Its own reply may follow, and is no second one.
                    self.remember(place, None, at, into);
                    return self.fail(place, at, into);
                }
                Err(Deviation::Elsewhere { request }) => {
                    let stream = oldest % self.streams;
                    return self.settle_named((stream, request), at, into, first);
                }
            },
        };
        let told = || {
            let status = reply.status.map(|status| format!("status {status}, "));
            let told = if reply.outcome == Outcome::Echo {
                let mut expected = Vec::new();
                messages.write(connection, oldest, &mut expected);
                difference_in_words(&expected, reply.body)
            } else {
                excerpt(reply.body)
            };
            first(oldest, format!("{}{told}", status.unwrap_or_default()))
        };
        if waits {
            into.list_of(&asked, kind, at, told);
        }
        if kind == FailureKind::ErrorReply {
            self.end_answered(place, at, into, Ending::Error);
        } else {
            self.fail(place, at, into);
        }
    }

    /// Whether a part of the request at `place` is still to be written.
    fn is_unwritten(&self, place: usize) -> bool {
        self.unwritten.is_some_and(|first| self.first + place as u64 >= first)
    }

    /// Books a reply on `stream` that is the right one of a request of this connection whose
    /// turn it is not. Its stamp names the request, and no other one is touched.
    fn settle_named(
        &mut self,
        (stream, request): (u64, u64),
        at: Nanos,
        into: &mut Ledger,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let own = request % self.streams;
        let is_right_stream = own == stream;
        let misrouted = || {
            first(request, format!("a request of stream {own} was answered on stream {stream}"))
        };
        if let Some(passed) = self.passed_over.take(request) {
            // What was counted as dropped or given up before is not counted again.
            if passed.first.is_none() {
                return;
            }
            let asked = passed.slot.asked();
            if is_right_stream {
                into.list_of(&asked, FailureKind::Reordered, at, || {
                    first(request, format!("request {request} was answered after a later one"))
                });
            } else {
                into.list_of(&asked, FailureKind::Foreign, at, misrouted);
            }
            return self.end_passed(passed.slot, Ending::Mismatch, at, into);
        }
        let place = request.checked_sub(self.first).map(|place| place as usize);
        let state = place.and_then(|place| Some((place, self.slots.get(place)?.state)));
        match state {
            None if request >= self.next_request() => {
                into.list(FailureKind::Unsolicited, at, || {
                    first(request, format!("request {request} was not sent yet"))
                });
            }
            None | Some((_, State::Answered)) => {
                into.list(FailureKind::Duplicated, at, || {
                    first(request, format!("request {request} was answered again"))
                });
            }
            Some((place, _)) if is_right_stream => {
                self.pass_over(place, at, into, first);
                self.answer(place, at, into);
            }
            Some((place, state)) => {
                if state == State::Waiting {
                    let asked = self.slots[place].asked();
                    into.list_of(&asked, FailureKind::Foreign, at, misrouted);
                }
                self.fail(place, at, into);
            }
        }
    }

    /// The request at `place` was answered before those of its stream that precede it. Their
    /// replies may still come: until then nobody knows whether they are late or lost.
    fn pass_over(
        &mut self,
        place: usize,
        at: Nanos,
        into: &mut Ledger,
        first: impl Fn(u64, String) -> FirstOffender,
    ) {
        let streams = self.streams as usize;
        let request = self.first + place as u64;
        for passed in (place % streams..place).step_by(streams) {
            let slot = self.slots[passed];
            if slot.state == State::Answered {
                continue;
            }
            self.slots[passed].state = State::Answered;
            self.given_up -= u32::from(slot.state == State::GivenUp);
            let number = self.first + passed as u64;
            let mut open = None;
            if slot.state == State::Waiting {
                self.waiting -= 1;
                let detail = format!("request {request} was answered before it");
                open = Some(Box::new(first(number, detail)));
            }
            self.remember(passed, open, at, into);
        }
    }

    /// Remembers the request at `place`, whose reply may still come; `first`: what is said of it
    /// if it does not, unless it has ended already.
    fn remember(
        &mut self,
        place: usize,
        first: Option<Box<FirstOffender>>,
        at: Nanos,
        into: &mut Ledger,
    ) {
        let (request, slot) = (self.first + place as u64, self.slots[place]);
        if let Some((slot, first)) = self.passed_over.push(Passed { request, slot, first }) {
            self.drop_passed(slot, *first, at, into);
        }
    }

    /// Books a reply that comes while nothing is asked for.
    #[cold]
    pub(super) fn settle_stray(
        &mut self,
        connection: u32,
        messages: &Messages,
        reply: Reply<'_>,
        at: Nanos,
        into: &mut Ledger,
    ) {
        let next = self.next_request();
        let stream = match reply.answers {
            Answers::Oldest => 0,
            Answers::OldestOf(stream) => u64::from(stream),
        };
        let echo = reply.outcome == Outcome::Echo;
        match messages.check(connection, next, reply.body) {
            Err(Deviation::Elsewhere { request }) if echo && request < next => {
                self.settle_named((stream, request), at, into, |request, detail| {
                    let mut offender = offender(connection, Some(request), detail);
                    offender.difference = Some(Difference::between(b"", reply.body));
                    offender
                });
            }
            _ => into.list(FailureKind::Unsolicited, at, || {
                offender(connection, None, excerpt(reply.body))
            }),
        }
    }
}

pub(super) fn offender(connection: u32, request: Option<u64>, detail: String) -> FirstOffender {
    FirstOffender { connection, request, detail, difference: None }
}

/// The beginning of a reply, safe to print.
pub(in crate::workload) fn excerpt(body: &[u8]) -> String {
    let shown = body[..body.len().min(64)].escape_ascii();
    format!("got `{shown}`{} ({} bytes)", if body.len() > 64 { "…" } else { "" }, body.len())
}
