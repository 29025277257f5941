//! What the rig lends its workload for the time of a call: [`Parts`], and what can be done
//! with them together.

use echo_net::Nanos;
use echo_net::reactor::Reactor;

use super::asked::{Asked, Ending};
use super::demand::Demand;
use super::ledger::Ledger;
use super::window::Window;
use super::wire::Wire;
use crate::messages::Messages;

/// Most bytes that wait for a server to read them, besides those of the requests that are in
/// flight: one that does not read, and may answer all the same, must not fill the memory of the
/// generator.
pub(crate) const MOST_UNSENT: usize = 256 << 10;

/// More than the bytes that a protocol adds to a message.
const FRAMING: usize = 1024;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Parts<'a, R> {
    /// The present instant, as far as the call is concerned.
    pub(crate) now: Nanos,
    pub(crate) reactor: &'a mut R,
    pub(crate) wire: &'a mut Wire,
    pub(crate) ledger: &'a mut Ledger,
    /// The schedule, if there is one: of an open loop.
    pub(crate) demand: &'a mut Option<Demand>,
    pub(crate) window: &'a Window,
    pub(crate) messages: &'a Messages,
}

impl<R: Reactor> Parts<'_, R> {
    /// Whether the load has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.window.has_begun(self.now)
    }

    /// Whether the server has left so much unread that a link with up to so many requests in
    /// flight sends no more.
    pub(crate) fn is_unread(&self, link: u32, in_flight: u32) -> bool {
        let each = self.messages.largest().saturating_add(FRAMING);
        let most = each.saturating_mul(in_flight as usize).saturating_add(MOST_UNSENT);
        self.wire.unsent(self.reactor, link) > most
    }

    /// Begins to make a link; false if there is no socket for it, which is counted.
    pub(crate) fn dial(&mut self, link: u32) -> bool {
        self.wire.dial(self.reactor, self.ledger, link)
    }

    /// Sends `bytes` in writes that end at `cuts` and at their end. Both are used up.
    pub(crate) fn send(
        &mut self,
        link: u32,
        bytes: &mut Vec<u8>,
        cuts: &mut Vec<usize>,
        now: Nanos,
    ) {
        self.wire.send(self.reactor, self.ledger, link, bytes, cuts, now);
    }

    /// Closes a link that is up gracefully.
    pub(crate) fn close(&mut self, link: u32) {
        self.wire.close(self.reactor, self.ledger, link);
    }

    /// Closes a link that is up gracefully, and dials it again after a pause.
    pub(crate) fn close_and_back_off(&mut self, link: u32) {
        self.wire.close_and_back_off(self.reactor, self.ledger, link);
    }

    /// The run is over: ends the requests of the schedule's `actor` that fell due and were
    /// never sent; how many.
    pub(crate) fn give_up_schedule(&mut self, actor: u32, ending: Ending) -> u64 {
        let Some(demand) = self.demand.as_mut() else { return 0 };
        // A number of requests decides: what was not claimed was never asked for.
        let end = if self.window.end() == Nanos::MAX { 0 } else { self.window.end() };
        let mut unsent = 0;
        for intended in demand.take_rest(actor, end).filter(|&at| at >= self.window.start()) {
            unsent += 1;
            self.ledger.schedule(1, intended);
            let asked = Asked { intended, ready: self.now, written: None, measured: true };
            self.ledger.end(actor, &asked, ending, self.now);
        }
        unsent
    }
}
