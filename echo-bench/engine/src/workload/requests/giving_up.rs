//! What ends with a connection, and with the run: requests in flight, and those that were never
//! sent.

use echo_net::reactor::Reactor;

use super::Requests;
use crate::record::{FailureKind, FirstOffender};
use crate::rig::{Ending, Parts};

/// A connection is given up with more than so many times its slots of requests that timed out and
/// whose replies may still come: each of them has to be kept.
const DEPTHS_GIVEN_UP: u32 = 4;

/// So many are always kept: a slow server still answers late.
const LEAST_GIVEN_UP: u32 = 64;

impl Requests {
    /// Whether so many requests of a link have timed out that no more are sent on it.
    pub(super) fn is_unresponsive(&self, link: u32) -> bool {
        let most = self.plan.load.pipeline().saturating_mul(DEPTHS_GIVEN_UP);
        self.places[link as usize].in_flight().given_up() > most.max(LEAST_GIVEN_UP)
    }

    /// Makes a link anew on which too many requests have timed out, once the last of them has.
    pub(super) fn replace_unresponsive<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
    ) {
        let in_flight = self.places[link as usize].in_flight();
        if in_flight.unanswered() > 0 || !parts.wire.is_up(link) || !self.is_unresponsive(link)
        {
            return;
        }
        let given_up = in_flight.given_up();
        let connection = self.numbers[link as usize];
        parts.ledger.list(FailureKind::Unresponsive, parts.now, || {
            let detail =
                format!("closed after {given_up} requests without a reply within --timeout");
            FirstOffender::of_connection(connection, detail)
        });
        parts.close_and_back_off(link);
        self.start_over(parts, link, Ending::Closed);
    }

    /// Closes a link that has had its requests and their replies, and reconnects it if
    /// there are more.
    pub(super) fn renew<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        parts.close(link);
        // What was given up will not be answered any more.
        self.start_over(parts, link, Ending::Closed);
        parts.wire.enqueue(link);
    }

    /// Ends what is in flight on a link, which may reconnect.
    pub(super) fn start_over<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        ending: Ending,
    ) {
        let conversation = &mut self.places[link as usize].conversation;
        let waiting = conversation.in_flight.waiting();
        conversation.in_flight.abandon(parts.now, parts.ledger, ending);
        conversation.reset(&self.plan);
        self.rest(link, waiting, parts.now);
    }

    /// Requests of a link that fell due and were never sent.
    pub(super) fn give_up_schedule<R: Reactor>(&self, parts: &mut Parts<'_, R>, link: u32) {
        // Without a socket of ours the server was not even asked.
        let (kind, ending) = if parts.wire.was_up(link) || parts.wire.lacks_socket(link) {
            (FailureKind::Unsent, Ending::Unsent)
        } else {
            (FailureKind::Refused, Ending::Refused)
        };
        let unsent = parts.give_up_schedule(link, ending);
        let number = self.numbers[link as usize];
        parts.ledger.list_ended(number, kind, unsent, || {
            let next = self.places[link as usize].in_flight().next_request();
            format!("request {next} was due and could not be sent")
        });
    }
}
