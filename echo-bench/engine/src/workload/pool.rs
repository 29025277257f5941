//! Requests through a pool of connections: [`PoolLoad`]. Each of the plan's connections is a
//! caller here, who has one request at a time, and gets a connection for it from the pool of
//! `echo_client` ([`PoolCore`], the same code), or a new one each time.
//!
//! The wait for a connection is part of every response time: a caller intends its request
//! when it calls (closed loop) or when the schedule says so (open loop), and not when it has
//! got a connection at last.
//!
//! With several threads, each has its part of the callers and of the pool.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use echo_client::pool::{Cause, Grant, PoolCore, PoolCounts, PoolOptions};
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::reactor::Reactor;
use echo_proto::{Reply, Request as _, Requester};

use super::requests::{InFlight, cut};
use crate::plan::{Plan, PoolPlan};
use crate::record::FailureKind;
use crate::rig::{Asked, Demand, Ending, Loss, Parts, Window, Wire, Workload};

/// How long a caller of a closed loop pauses when there was no connection for it, so that a
/// server that is gone is not called as fast as the machine can.
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
}

/// A place for a connection.
#[derive(Debug)]
struct Slot {
    requester: Requester,
    in_flight: InFlight,
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
    /// Callers who pause, and until when.
    paused: VecDeque<(Nanos, u32)>,
    text: Vec<u8>,
    wire: Vec<u8>,
    cuts: Vec<usize>,
}

impl PoolLoad {
    /// Of the callers with these fleet-wide `numbers`, on so many links of this thread.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        pool: PoolPlan,
        numbers: impl Iterator<Item = u32>,
        links: u32,
    ) -> Self {
        let caller = |number| Caller { number, next: 0, phase: Phase::Free, freed_at: 0 };
        let slot = |_| Slot {
            requester: plan.requester(),
            in_flight: InFlight::new(1),
            caller: None,
            uses: 0,
        };
        let core = (pool.size > 0).then(|| {
            let mut core = PoolCore::new(PoolOptions {
                max_size: links.max(1) as usize,
                wait_timeout: Duration::from_nanos(plan.timeout_ns),
                idle_lifetime: None,
                max_uses: plan.reconnect_after.map(u64::from),
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
            callers: numbers.map(caller).collect(),
            slots: (0..links).map(slot).collect(),
            vacant: Vec::new(),
            paused: VecDeque::new(),
            text: Vec::new(),
            wire: Vec::new(),
            cuts: Vec::new(),
            plan: Arc::clone(plan),
        }
    }

    /// A caller calls, if it still may: its request is due. Whether it took the request.
    fn call<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) -> bool {
        let (window, now) = (parts.window, parts.now);
        let intended = parts.demand.as_ref().map_or(now, |demand| demand.peek(caller));
        if intended >= window.end() {
            return false;
        }
        let measured = intended >= window.start();
        if measured && window.claim(1) == 0 {
            return false;
        }
        let place = &mut self.callers[caller as usize];
        if let Some(demand) = parts.demand.as_mut() {
            demand.advance(caller);
            // Who was held up by the request before is not late by our own fault.
            if measured && place.freed_at <= intended {
                parts.ledger.late(now.saturating_sub(intended));
            }
        }
        parts.ledger.schedule(u64::from(measured));
        place.phase = Phase::Calling(Asked { intended, written: None, measured });
        let grant = self.core.as_mut().map_or(Grant::Connect, |core| core.ask(caller, now));
        match grant {
            Grant::Wait => {}
            Grant::Reuse(link) => self.reuse(parts, caller, link),
            Grant::Replace(link) => {
                self.close(parts, link);
                self.connect(parts, caller);
            }
            Grant::Connect => self.connect(parts, caller),
        }
        true
    }

    /// Has a connection made for a caller; where there is no socket for it, for the next in
    /// the queue.
    fn connect<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) {
        // Not by recursion: all who wait may have to go without.
        let mut next = Some(caller);
        while let Some(caller) = next {
            // There are as many links as places.
            let place = if self.core.is_some() { self.vacant.pop() } else { Some(caller) };
            let Some(link) = place else { return };
            self.slots[link as usize].caller = Some(caller);
            if parts.dial(link) {
                return;
            }
            next = self.not_made(parts, link);
        }
    }

    /// An idle link works, or its end would have been seen: a caller uses it.
    fn reuse<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32, link: u32) {
        if let Some(core) = &mut self.core {
            core.accept();
        }
        self.slots[link as usize].caller = Some(caller);
        self.ask(parts, link);
    }

    /// The caller of a link writes its request.
    fn ask<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let slot = &mut self.slots[link as usize];
        let Some(place) = slot.caller else { return };
        let caller = &mut self.callers[place as usize];
        let Phase::Calling(asked) = caller.phase else { return };
        let request = caller.next;
        caller.next += 1;
        caller.phase = Phase::Asking(link);
        slot.uses += 1;
        self.wire.clear();
        parts.messages.write(caller.number, request, &mut self.text);
        slot.requester.encode(request, &self.text, &mut self.wire);
        cut(&mut self.cuts, 0..self.wire.len(), self.plan.split_writes);
        let now = parts.reactor.now();
        slot.in_flight.begin_at(request);
        slot.in_flight.push(asked.intended, now, asked.measured);
        parts.ledger.wrote(1, now);
        parts.send(link, &mut self.wire, &mut self.cuts, now);
    }

    /// The request of a caller has ended.
    fn free<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) {
        let place = &mut self.callers[caller as usize];
        (place.phase, place.freed_at) = (Phase::Free, parts.now);
        if let Some(demand) = parts.demand.as_mut() {
            // What is due by now is asked for when all that has happened is seen.
            if demand.is_set_aside(caller) {
                demand.put_back(caller);
            }
        } else {
            self.call(parts, caller);
        }
    }

    /// There is no connection for a caller: its request ends unsent.
    fn go_without<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        caller: u32,
        ending: Ending,
    ) {
        let place = &mut self.callers[caller as usize];
        let Phase::Calling(asked) = place.phase else { return };
        parts.ledger.end(asked, ending, parts.now);
        if parts.demand.is_some() {
            self.free(parts, caller);
        } else {
            place.phase = Phase::Free;
            self.paused.push_back((parts.now.saturating_add(PAUSE), caller));
        }
    }

    /// The connection of a link could not be made. The caller who has its place now, and is to
    /// connect.
    fn not_made<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Option<u32> {
        let caller = self.slots[link as usize].caller.take();
        let next = if let Some(core) = &mut self.core {
            self.vacant.push(link);
            core.not_made()
        } else {
            self.counts.connect_failures += 1;
            None
        };
        if let Some(caller) = caller {
            // Without a socket of ours the server was not even asked.
            let ours = parts.wire.lacks_socket(link);
            let ending = if ours { Ending::Unsent } else { Ending::Refused };
            self.go_without(parts, caller, ending);
        }
        next
    }

    /// The request on a link has ended, and the link is of use no more for this `cause`, or is
    /// free. The next caller in the queue gets it, or its place.
    fn release<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        cause: Option<Cause>,
    ) {
        let caller = self.slots[link as usize].caller.take();
        let uses = self.slots[link as usize].uses;
        let Some(core) = &mut self.core else {
            self.counts.discarded.count(cause.unwrap_or(Cause::Used));
            self.close(parts, link);
            return caller.into_iter().for_each(|caller| self.free(parts, caller));
        };
        let cause = cause.or_else(|| core.is_used_up(uses).then_some(Cause::Used));
        if let Some(cause) = cause {
            let next = core.discard(cause);
            self.close(parts, link);
            if let Some(next) = next {
                self.connect(parts, next);
            }
        } else if let Some((next, link)) = core.give_back(link, parts.now) {
            self.reuse(parts, next, link);
        }
        // After whoever waited before.
        if let Some(caller) = caller {
            self.free(parts, caller);
        }
    }

    /// Bytes of a reply, or the end of them.
    fn settle<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: Option<&[u8]>,
    ) -> Result<(), Loss> {
        let Slot { requester, in_flight, caller, .. } = &mut self.slots[link as usize];
        let number = caller.map_or(u32::MAX, |caller| self.callers[caller as usize].number);
        let (ledger, messages, at) = (&mut *parts.ledger, parts.messages, parts.now);
        let (mut replies, waiting) = (0, in_flight.waiting());
        let right = in_flight.right_answers();
        let each = |reply: Reply<'_>| {
            replies += 1;
            in_flight.settle(number, messages, reply, at, ledger);
        };
        let decoded = if let Some(bytes) = bytes {
            requester.decode(bytes, each)
        } else {
            requester.end_of_input(each);
            Ok(())
        };
        if in_flight.right_answers() > right {
            parts.wire.prove(link);
        }
        decoded.map_err(Loss::Malformed)?;
        let left = in_flight.waiting();
        // A reply too many, or half of one, would be taken for the next caller's.
        let stray = replies > waiting || (left == 0 && !requester.partial().is_empty());
        let (over, used) = (requester.is_over(), caller.is_some());
        if used && left == 0 && waiting > 0 {
            let cause = if stray { Some(Cause::Broken) } else { over.then_some(Cause::Closed) };
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
        slot.requester = self.plan.requester();
        slot.uses = 0;
        if self.core.is_some() {
            self.vacant.push(link);
        }
    }

    /// Ends the request on a link, if there is one.
    fn end<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32, ending: Ending) {
        self.slots[link as usize].in_flight.abandon(parts.now, parts.ledger, ending);
    }
}

impl<R: Reactor> Workload<R> for PoolLoad {
    const REDIALS: bool = false;

    /// All of the pool, or one of the whole run that shows whether there is a server.
    fn links_at_start(&self, links: u32) -> u32 {
        let is_first = self.callers.first().is_some_and(|caller| caller.number == 0);
        if self.core.is_some() { links } else { is_first.into() }
    }

    fn demand(&self, plan: &Plan, start: Nanos) -> Option<Demand> {
        let numbers = self.callers.iter().map(|caller| caller.number);
        Demand::new(&plan.load, plan.seed, numbers, plan.connections, start)
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
                self.call(parts, caller);
            }
        }
    }

    fn due(&mut self, parts: &mut Parts<'_, R>) {
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
        self.settle(parts, link, Some(bytes))
    }

    fn ended(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Result<(), Loss> {
        self.settle(parts, link, None)
    }

    fn lost(&mut self, parts: &mut Parts<'_, R>, link: u32, loss: &Loss) {
        let Some(caller) = self.slots[link as usize].caller else {
            if let Some(core) = &mut self.core {
                core.withdraw(Cause::Closed, |&idle| idle == link);
            }
            return self.clear(link);
        };
        let (kind, ending) = loss.counts_as();
        let number = self.callers[caller as usize].number;
        parts
            .ledger
            .count_failures(number, kind, 1, || format!("{loss}, requests unanswered: 1"));
        if loss.is_answer() {
            self.slots[link as usize].in_flight.garble(parts.now, parts.ledger);
        }
        self.end(parts, link, ending);
        self.release(parts, link, Some(Cause::Broken));
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
            // What falls due in the warm-up is in no count.
            let measured = matches!(phase, Phase::Calling(asked) if asked.measured);
            parts.ledger.count_failures(number, FailureKind::Unsent, measured.into(), || {
                "no connection of the pool became free in time (see --timeout)".into()
            });
            self.go_without(parts, caller, Ending::Unsent);
        }
        while let Some((_, caller)) = self.paused.pop_front_if(|(until, _)| *until <= now) {
            self.call(parts, caller);
        }
        let Some(before) = now.checked_sub(self.plan.timeout_ns) else { return };
        for link in 0..self.slots.len() as u32 {
            let slot = &mut self.slots[link as usize];
            let Some(caller) = slot.caller else { continue };
            let number = self.callers[caller as usize].number;
            if slot.in_flight.expire(number, before, now, parts.ledger) {
                self.end(parts, link, Ending::Timeout);
                self.release(parts, link, Some(Cause::Broken));
            }
        }
    }

    fn is_expecting(&self, _wire: &Wire, demand: Option<&Demand>, now: Nanos) -> bool {
        let busy = |caller: &Caller| !matches!(caller.phase, Phase::Free);
        demand.is_none_or(|demand| demand.has_backlog(now)) || self.callers.iter().any(busy)
    }

    fn is_unfinished(&self, window: &Window, demand: Option<&Demand>) -> bool {
        let calling = |caller: &Caller| {
            matches!(caller.phase, Phase::Calling(Asked { measured: true, .. }))
        };
        let backlog =
            !window.is_spent() && demand.is_some_and(|demand| demand.has_backlog(window.end()));
        backlog
            || self.callers.iter().any(calling)
            || self.slots.iter().any(|slot| slot.in_flight.measured() > 0)
    }

    fn conclude(&mut self, parts: &mut Parts<'_, R>) -> Option<PoolCounts> {
        for place in 0..self.callers.len() as u32 {
            let Caller { number, phase, .. } = self.callers[place as usize];
            match phase {
                Phase::Free => {}
                Phase::Calling(asked) => {
                    parts.ledger.count_failures(
                        number,
                        FailureKind::Unsent,
                        asked.measured.into(),
                        || "no connection when the drain ended".into(),
                    );
                    parts.ledger.end(asked, Ending::Unsent, parts.now);
                }
                Phase::Asking(link) => {
                    let measured = self.slots[link as usize].in_flight.measured();
                    parts.ledger.count_failures(
                        number,
                        FailureKind::InFlight,
                        measured.into(),
                        || "no reply when the drain ended".into(),
                    );
                    self.end(parts, link, Ending::InFlight);
                }
            }
            let unsent = parts.give_up_schedule(place, Ending::Unsent);
            parts.ledger.count_failures(number, FailureKind::Unsent, unsent, || {
                "it was due and its caller was not free".into()
            });
        }
        Some(self.core.as_ref().map_or(self.counts, PoolCore::counts))
    }
}
