//! Requests through a pool of connections: [`PoolLoad`]. Each of the plan's connections is a
//! caller here, who has one request at a time, and gets a connection for it from the pool of
//! `echo_client` ([`PoolCore`], the same code), or a new one each time.
//!
//! The wait for a connection is part of every response time: a caller intends its request
//! when it calls (closed loop) or when the schedule says so (open loop), and not when it has
//! got a connection at last.
//!
//! With several threads, each has its part of the callers and of the pool.

use std::sync::Arc;
use std::time::Duration;

use echo_client::pool::{Cause, Grant, PoolCore, PoolCounts, PoolOptions};
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::reactor::Reactor;
use echo_proto::Request as _;

use super::conversation::{Conversation, Outgoing, Settled};
use super::in_flight::excerpt;
use super::thinking::Thinking;
use crate::plan::Plan;
use crate::record::{FailureKind, FirstOffender};
use crate::rig::{Asked, Demand, Ending, Loss, Opening, Parts, Window, Wire, Workload};

mod calling;

/// How long a caller of a closed loop pauses when there was no connection for it, or one that was
/// lost with its first request, so that a server that is gone is not called as fast as the machine
/// can.
const PAUSE: Nanos = 50 * MILLISECOND;

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Between requests.
    Free,
    /// Wants a connection: queued for one, or for the one that is being made for it.
    Calling(Asked),
    /// Its request is on this link.
    Asking(u32),
}

#[derive(Debug, Clone, Copy)]
struct Caller {
    /// Its fleet-wide number, which is part of every request's stamp.
    number: u32,
    /// The number of its next request.
    next: u64,
    phase: Phase,
    /// When its last request ended.
    freed_at: Nanos,
    /// When it asked for a connection last.
    called_at: Nanos,
    /// Its last connection was lost with the first request on it.
    in_vain: bool,
}

/// A place for a connection.
#[derive(Debug)]
struct Slot {
    conversation: Conversation,
    /// The caller it is used by, or being made for.
    caller: Option<u32>,
    /// Requests since it was made.
    uses: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct PoolLoad {
    plan: Arc<Plan>,
    /// `None`: a new connection for each request; then caller n uses link n.
    core: Option<PoolCore<u32, u32>>,
    /// Of new connections for each request.
    counts: PoolCounts,
    callers: Vec<Caller>,
    slots: Vec<Slot>,
    /// Links of a pool without a connection.
    vacant: Vec<u32>,
    /// Callers who pause.
    thinking: Thinking,
    outgoing: Outgoing,
}

impl PoolLoad {
    /// Of the callers with these fleet-wide `numbers`, on so many links of this thread; `size` is
    /// that of the whole pool, or 0.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        size: u32,
        numbers: impl Iterator<Item = u32>,
        links: u32,
    ) -> Self {
        let callers: Vec<u32> = numbers.collect();
        let thinking = Thinking::new(plan, &callers);
        let caller = |number| Caller {
            number,
            next: 0,
            phase: Phase::Free,
            freed_at: 0,
            called_at: 0,
            in_vain: false,
        };
        let slot =
            |_| Slot { conversation: Conversation::new(plan, 0, 1), caller: None, uses: 0 };
        let core = (size > 0).then(|| {
            let mut core = PoolCore::new(PoolOptions {
                max_size: links.max(1) as usize,
                wait_timeout: Duration::from_nanos(plan.timeout_ns),
                idle_lifetime: None,
                max_uses: plan.workload.reconnect_after().map(u64::from),
            });
            // They are all made before the load, for nobody.
            for link in 0..links {
                assert_eq!(core.ask(link, 0), Grant::Connect, "there are as many places");
            }
            core
        });
        Self {
            core,
            counts: PoolCounts::default(),
            callers: callers.into_iter().map(caller).collect(),
            slots: (0..links).map(slot).collect(),
            vacant: Vec::new(),
            thinking,
            outgoing: Outgoing::default(),
            plan: Arc::clone(plan),
        }
    }

    /// Bytes of a reply, or the end of them.
    fn settle<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: Option<&[u8]>,
    ) -> Result<(), Loss> {
        let Slot { conversation, caller, .. } = &mut self.slots[link as usize];
        let number = caller.map(|caller| self.callers[caller as usize].number);
        // What comes while nobody uses it is laid to the last one who did.
        let number = number.or(conversation.in_flight.turn()).unwrap_or_default();
        let Settled { replies, awaited } = conversation.settle(parts, link, number, bytes)?;
        let Conversation { requester, in_flight, .. } = conversation;
        let left = in_flight.waiting();
        // A reply too many, or half of one, would be taken for the next caller's.
        let piece = requester.partial();
        let stray = replies > awaited || (left == 0 && !piece.is_empty());
        // The server answers what it has not read.
        let stray = stray || (left == 0 && parts.is_unread(link, 1));
        if left == 0 && !piece.is_empty() {
            parts.ledger.list(FailureKind::Unsolicited, parts.now, || {
                FirstOffender::of_connection(number, excerpt(piece))
            });
        }
        let (over, used) = (requester.is_over(), caller.is_some());
        if used && left == 0 && awaited > 0 {
            let cause =
                if stray { Some(Cause::Unsolicited) } else { over.then_some(Cause::Closed) };
            self.release(parts, link, cause);
        } else if !used && (stray || over) {
            // It idles.
            let cause = if over { Cause::Closed } else { Cause::Unsolicited };
            if let Some(core) = &mut self.core {
                core.withdraw(cause, |&idle| idle == link);
            }
            self.close(parts, link);
        }
        Ok(())
    }

    /// Closes a link that nobody uses.
    fn close<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        parts.close(link);
        self.clear(link);
    }

    /// A link has no connection any more.
    fn clear(&mut self, link: u32) {
        let slot = &mut self.slots[link as usize];
        slot.conversation.reset(&self.plan);
        slot.uses = 0;
        if self.core.is_some() {
            self.vacant.push(link);
        }
    }

    /// Ends the request on a link, if there is one.
    fn end<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32, ending: Ending) {
        self.slots[link as usize].conversation.in_flight.abandon(
            parts.now,
            parts.ledger,
            ending,
        );
    }
}

impl<R: Reactor> Workload<R> for PoolLoad {
    const REDIALS: bool = false;
    const ACTOR_PER_LINK: bool = false;

    fn actors(&self, _links: u32) -> u32 {
        self.callers.len() as u32
    }

    /// All of the pool, or one of the whole run that shows whether there is a server.
    fn links_at_start(&self, links: u32) -> u32 {
        let is_first = self.callers.first().is_some_and(|caller| caller.number == 0);
        if self.core.is_some() { links } else { is_first.into() }
    }

    fn demand(&self, plan: &Plan, start: Nanos) -> Option<Demand> {
        let numbers = self.callers.iter().map(|caller| caller.number);
        Demand::new(plan, numbers, plan.connections, start)
    }

    fn wakes_at(&self) -> Option<Nanos> {
        self.thinking.next()
    }

    fn opened(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Opening {
        let conversation = &mut self.slots[link as usize].conversation;
        conversation.open(&self.plan, &mut self.outgoing, parts, link)
    }

    fn is_introduced(&self, link: u32) -> bool {
        self.slots[link as usize].conversation.is_open()
    }

    fn ready(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        match &mut self.core {
            Some(core) => core.made(),
            None => self.counts.created += 1,
        }
        if self.slots[link as usize].caller.is_some() {
            self.ask(parts, link);
        } else if let Some(core) = &mut self.core {
            // Made before the load: nobody waits.
            let _nobody = core.give_back(link, parts.now);
        }
    }

    fn begin(&mut self, parts: &mut Parts<'_, R>) {
        if self.core.is_none() && parts.wire.is_up(0) {
            self.close(parts, 0);
        }
        if parts.demand.is_none() {
            for caller in 0..self.callers.len() as u32 {
                self.begin_calling(parts, caller);
            }
        }
    }

    fn due(&mut self, parts: &mut Parts<'_, R>) {
        while let Some(caller) = self.thinking.pop(parts.now) {
            self.call(parts, caller);
        }
        while let Some(caller) =
            parts.demand.as_mut().and_then(|demand| demand.pop_due(parts.now))
        {
            let is_free =
                |load: &Self| matches!(load.callers[caller as usize].phase, Phase::Free);
            // Free again already, if there was no connection for it.
            let goes_on = is_free(self) && self.call(parts, caller) && is_free(self);
            let Some(demand) = parts.demand.as_mut() else { return };
            if goes_on {
                demand.put_back(caller);
            } else {
                demand.set_aside(caller);
            }
        }
    }

    fn arrived(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: &[u8],
    ) -> Result<(), Loss> {
        let conversation = &mut self.slots[link as usize].conversation;
        if !conversation.is_open() {
            return conversation.go_on_opening(&mut self.outgoing, parts, link, bytes);
        }
        self.settle(parts, link, Some(bytes))
    }

    fn ended(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Result<(), Loss> {
        self.settle(parts, link, None)
    }

    fn lost(&mut self, parts: &mut Parts<'_, R>, link: u32, loss: &Loss) {
        let (kind, ending) = loss.counts_as();
        let Some(caller) = self.slots[link as usize].caller else {
            let mut cause = Cause::Closed;
            if loss.is_answer() {
                cause = Cause::Unsolicited;
                let last = self.slots[link as usize].conversation.in_flight.turn();
                parts.ledger.list_loss(kind, 0, parts.now, || {
                    FirstOffender::of_connection(last.unwrap_or_default(), loss.to_string())
                });
            }
            if let Some(core) = &mut self.core {
                core.withdraw(cause, |&idle| idle == link);
            }
            return self.clear(link);
        };
        let number = self.callers[caller as usize].number;
        let in_flight = &self.slots[link as usize].conversation.in_flight;
        let (owed, waiting) = (in_flight.owed(parts.now, parts.ledger), in_flight.waiting());
        parts.ledger.list_loss(kind, owed, parts.now, || {
            let detail = format!("{loss}, requests unanswered: {waiting}");
            FirstOffender::of_connection(number, detail)
        });
        if loss.is_answer() {
            self.slots[link as usize].conversation.in_flight.garble(parts.now, parts.ledger);
        }
        self.end(parts, link, ending);
        let uses = self.slots[link as usize].uses;
        self.callers[caller as usize].in_vain = waiting > 0 && uses == 1;
        let is_stray = loss.is_answer() && waiting == 0;
        let cause = if is_stray { Cause::Unsolicited } else { Cause::Broken };
        self.release(parts, link, Some(cause));
    }

    fn unmade(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        if let Some(next) = self.not_made(parts, link) {
            self.connect(parts, next);
        }
    }

    fn expire(&mut self, parts: &mut Parts<'_, R>) {
        let now = parts.now;
        while let Some(caller) = self.core.as_mut().and_then(|core| core.expire(now)) {
            let Caller { number, phase, .. } = self.callers[caller as usize];
            // What falls due in the warm-up and ends in it is in no count.
            let owed =
                matches!(phase, Phase::Calling(asked) if parts.ledger.belongs(&asked, now));
            parts.ledger.list_ended(number, FailureKind::Unsent, owed.into(), || {
                "no connection of the pool became free in time (see --timeout)".into()
            });
            self.go_without(parts, caller, Ending::Unsent);
        }
        let Some(before) = now.checked_sub(self.plan.timeout_ns) else { return };
        for link in 0..self.slots.len() as u32 {
            let slot = &mut self.slots[link as usize];
            let Some(caller) = slot.caller else { continue };
            let number = self.callers[caller as usize].number;
            if slot.conversation.in_flight.expire(number, before, now, parts.ledger) {
                self.end(parts, link, Ending::Timeout);
                self.release(parts, link, Some(Cause::Broken));
            }
        }
    }

    fn is_expecting(&self, _wire: &Wire, demand: Option<&Demand>, now: Nanos) -> bool {
        let busy = |caller: &Caller| !matches!(caller.phase, Phase::Free);
        let is_due = demand.map_or(!self.thinking.is_on(), |demand| demand.has_backlog(now));
        is_due || self.callers.iter().any(busy)
    }

    fn is_unfinished(&self, window: &Window, demand: Option<&Demand>) -> bool {
        let calling = |caller: &Caller| {
            matches!(caller.phase, Phase::Calling(Asked { measured: true, .. }))
        };
        let backlog =
            !window.is_spent() && demand.is_some_and(|demand| demand.has_backlog(window.end()));
        backlog
            || self.callers.iter().any(calling)
            || self.slots.iter().any(|slot| slot.conversation.in_flight.measured() > 0)
    }

    fn conclude(&mut self, parts: &mut Parts<'_, R>) -> Option<PoolCounts> {
        for place in 0..self.callers.len() as u32 {
            let Caller { number, phase, .. } = self.callers[place as usize];
            match phase {
                Phase::Free => {}
                Phase::Calling(asked) => {
                    let owed = parts.ledger.belongs(&asked, parts.now);
                    parts.ledger.list_ended(number, FailureKind::Unsent, owed.into(), || {
                        "no connection when the drain ended".into()
                    });
                    parts.ledger.end(place, &asked, Ending::Unsent, parts.now);
                }
                Phase::Asking(link) => {
                    let in_flight = &self.slots[link as usize].conversation.in_flight;
                    let owed = in_flight.owed(parts.now, parts.ledger);
                    parts.ledger.list_ended(number, FailureKind::InFlight, owed, || {
                        "no reply when the drain ended".into()
                    });
                    self.end(parts, link, Ending::InFlight);
                }
            }
            let unsent = parts.give_up_schedule(place, Ending::Unsent);
            parts.ledger.list_ended(number, FailureKind::Unsent, unsent, || {
                "it was due and its caller was not free".into()
            });
        }
        Some(self.core.as_ref().map_or(self.counts, PoolCore::counts))
    }
}
