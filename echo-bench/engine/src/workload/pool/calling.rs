//! The way of a caller: it calls, waits for a connection, asks on it, and lets go of it for the
//! next. Who gets which is decided by the [`PoolCore`](echo_client::pool::PoolCore).

use echo_client::pool::{Cause, Grant};
use echo_net::reactor::Reactor;

use super::{Caller, Conversation, PAUSE, Phase, PoolLoad};
use crate::rig::{Asked, Ending, Parts};

impl PoolLoad {
    /// A caller calls, if it still may: its request is due. Whether it took the request.
    pub(super) fn call<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) -> bool {
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
                parts.ledger.late(intended, now.saturating_sub(intended));
            }
        }
        let ready = intended.max(place.freed_at);
        parts.ledger.schedule(u64::from(measured), intended);
        place.phase = Phase::Calling(Asked { intended, ready, written: None, measured });
        place.called_at = now;
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
    pub(super) fn connect<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) {
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
    pub(super) fn reuse<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        caller: u32,
        link: u32,
    ) {
        if let Some(core) = &mut self.core {
            core.accept();
        }
        self.slots[link as usize].caller = Some(caller);
        self.ask(parts, link);
    }

    /// The caller of a link writes its request.
    pub(super) fn ask<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let slot = &mut self.slots[link as usize];
        let Some(actor) = slot.caller else { return };
        let caller = &mut self.callers[actor as usize];
        let Phase::Calling(asked) = caller.phase else { return };
        let (request, called_at) = (caller.next, caller.called_at);
        caller.next += 1;
        caller.phase = Phase::Asking(link);
        slot.uses += 1;
        let Conversation { requester, in_flight, .. } = &mut slot.conversation;
        let (place, writes) = ((caller.number, request), self.plan.split_writes);
        self.outgoing.add(requester, parts.messages, place, writes);
        let now = parts.reactor.now();
        // Who waited for the connection could use it from the instant on at which the reply
        // before arrived on it, or from now on.
        let freed_at = parts.ledger.arrival().unwrap_or(now);
        let ready =
            if called_at == parts.now { asked.ready } else { asked.ready.max(freed_at) };
        in_flight.begin_at(actor, place);
        let size = self.outgoing.sizes().iter().sum();
        in_flight.push(&Asked { ready, ..asked }, size, now);
        parts.ledger.waited(1, asked.intended, now);
        parts.ledger.wrote(1, now);
        self.outgoing.send(parts, link, now);
    }

    /// The request of a caller has ended.
    fn free<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) {
        let place = &mut self.callers[caller as usize];
        let freed_at = parts.ledger.arrival().unwrap_or(parts.now);
        (place.phase, place.freed_at) = (Phase::Free, freed_at);
        let in_vain = std::mem::take(&mut place.in_vain);
        if let Some(demand) = parts.demand.as_mut() {
            // What is due by now is asked for when all that has happened is seen.
            if demand.is_set_aside(caller) {
                demand.put_back(caller);
            }
        } else if self.thinking.is_on() || in_vain {
            let least = if in_vain { PAUSE } else { 0 };
            let until = parts.now.saturating_add(self.thinking.pause(caller).max(least));
            self.thinking.until(until, caller);
        } else {
            self.call(parts, caller);
        }
    }

    /// The load of a closed loop begins for a caller: at once, or after its own part of a think
    /// time, so that not all call together.
    pub(super) fn begin_calling<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, caller: u32) {
        if !self.thinking.is_on() {
            self.call(parts, caller);
            return;
        }
        let (number, callers) = (self.callers[caller as usize].number, self.plan.connections);
        let pause = self.thinking.first_pause(caller, number.into(), callers.into());
        self.thinking.until(parts.now.saturating_add(pause), caller);
    }

    /// There is no connection for a caller: its request ends unsent.
    pub(super) fn go_without<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        caller: u32,
        ending: Ending,
    ) {
        let place = &mut self.callers[caller as usize];
        let Phase::Calling(asked) = place.phase else { return };
        parts.ledger.end(caller, &asked, ending, parts.now);
        if parts.demand.is_some() {
            self.free(parts, caller);
        } else {
            place.phase = Phase::Free;
            let pause = self.thinking.pause(caller).max(PAUSE);
            self.thinking.until(parts.now.saturating_add(pause), caller);
        }
    }

    /// The connection of a link could not be made. The caller who has its place now, and is to
    /// connect.
    pub(super) fn not_made<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
    ) -> Option<u32> {
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
            let Caller { phase, .. } = self.callers[caller as usize];
            if let (Phase::Calling(asked), Some(kind)) = (phase, parts.wire.unmade(link)) {
                parts.ledger.list_wanted(&asked, kind, parts.now);
            }
            self.go_without(parts, caller, ending);
        }
        next
    }

    /// The request on a link has ended, and the link is of use no more for this `cause`, or is
    /// free. The next caller in the queue gets it, or its place.
    pub(super) fn release<R: Reactor>(
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
}
