//! Requests whose answer is late, or will not come: which await one still, and those that were
//! given up. A server that answers nothing must not make them cost more with time: none is
//! looked at again once it has ended.

use echo_net::Nanos;

use super::deviant::offender;
use super::{InFlight, Slot, State};
use crate::record::{FailureKind, FirstOffender};
use crate::rig::{Ending, Ledger};

impl InFlight {
    /// Requests that were given up and may still be answered.
    pub(crate) fn given_up(&self) -> u32 {
        self.given_up
    }

    /// Requests that await an answer, and count if they end now without one.
    pub(crate) fn owed(&self, at: Nanos, ledger: &Ledger) -> u64 {
        let waiting = self.waiting_slots();
        waiting.filter(|(_, slot)| ledger.belongs(&slot.asked(), at)).count() as u64
    }

    /// The number of the oldest request that awaits an answer.
    pub(crate) fn oldest_waiting(&self) -> Option<u64> {
        self.waiting_slots().next().map(|(place, _)| self.first + place as u64)
    }

    /// When the oldest request that has not ended was written.
    pub(crate) fn oldest_written(&self) -> Option<Nanos> {
        let slot = self.waiting_slots().next();
        let written = slot.map(|(_, slot)| slot.written);
        written.into_iter().chain(self.passed_over.oldest_written()).min()
    }

    /// The slots that await an answer, with their places.
    fn waiting_slots(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let from = self.place_of_settled();
        let slots = self.slots.range(from..).enumerate();
        let waiting = slots.filter(|(_, slot)| slot.state == State::Waiting);
        waiting.map(move |(place, slot)| (from + place, slot))
    }

    /// The first slot that may await an answer.
    fn place_of_settled(&self) -> usize {
        let settled = self.settled.saturating_sub(self.first);
        usize::try_from(settled).unwrap_or(usize::MAX).min(self.slots.len())
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
        let from = self.place_of_settled();
        for place in from..self.slots.len() {
            let slot = self.slots[place];
            if slot.state == State::Waiting && slot.written > before {
                break;
            }
            self.settled = self.first + place as u64 + 1;
            if slot.state != State::Waiting {
                continue;
            }
            expired = true;
            if into.belongs(&slot.asked(), at) {
                let request = self.first + place as u64;
                into.list_of(&slot.asked(), FailureKind::Timeout, at, || {
                    let waited = (at - slot.written) / 1_000_000;
                    offender(connection, Some(request), format!("no reply after {waited} ms"))
                });
            }
            self.end(place, at, into, State::GivenUp, Ending::Timeout);
        }
        while let Some((slot, first)) = self.passed_over.expire(before) {
            expired = true;
            self.drop_passed(slot, *first, at, into);
        }
        expired
    }

    /// Ends a request whose answer has not come since a later one was answered.
    pub(super) fn drop_passed(
        &mut self,
        slot: Slot,
        first: FirstOffender,
        at: Nanos,
        into: &mut Ledger,
    ) {
        into.list_of(&slot.asked(), FailureKind::Dropped, at, || first);
        self.end_passed(slot, Ending::Unmatched, at, into);
    }

    pub(super) fn end_passed(
        &mut self,
        slot: Slot,
        ending: Ending,
        at: Nanos,
        into: &mut Ledger,
    ) {
        self.measured -= u32::from(slot.measured);
        into.end(self.actor, &slot.asked(), ending, at);
    }

    /// Ends everything: the connection is gone, or the run is over. Request numbers go on.
    pub(crate) fn abandon(&mut self, at: Nanos, into: &mut Ledger, ending: Ending) {
        for place in self.place_of_settled()..self.slots.len() {
            self.end(place, at, into, State::GivenUp, ending);
        }
        while let Some((slot, first)) = self.passed_over.expire(Nanos::MAX) {
            self.drop_passed(slot, *first, at, into);
        }
        self.passed_over.clear();
        self.first = self.next_request();
        self.slots.clear();
        self.given_up = 0;
    }
}
