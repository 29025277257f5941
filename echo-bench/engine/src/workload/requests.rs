//! Requests and their replies on connections of one's own: [`Requests`]. Each connection has
//! so many slots, takes its part of the schedule (open loop) or fills its free slots (closed
//! loop), and is reconnected after its number of requests.

use std::sync::Arc;

use echo_client::pool::PoolCounts;
use echo_net::Nanos;
use echo_net::reactor::Reactor;
use echo_proto::Request as _;

use super::conversation::{Conversation, Outgoing};
use super::in_flight::InFlight;
use super::thinking::Thinking;
use crate::plan::Plan;
use crate::record::{FailureKind, FirstOffender};
use crate::rig::{Asked, Demand, Ending, Loss, Opening, Parts, Window, Wire, Workload};

mod giving_up;
mod place;
mod thinking;

use place::Place;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Requests {
    plan: Arc<Plan>,
    /// As the plan has it; asked for each request.
    reconnect_after: Option<u32>,
    /// The fleet-wide numbers of its connections.
    numbers: Vec<u32>,
    places: Vec<Place>,
    /// No request can have waited for its whole timeout before.
    next_expiry: Nanos,
    /// Reused from batch to batch: the due requests.
    batch: Vec<Asked>,
    outgoing: Outgoing,
    /// Slots that rest, by link.
    thinking: Thinking,
}

impl Requests {
    /// Of the connections with these fleet-wide `numbers`.
    pub(crate) fn new(plan: &Arc<Plan>, numbers: impl Iterator<Item = u32>) -> Self {
        let numbers: Vec<_> = numbers.collect();
        let place = |link: usize| Place {
            conversation: Conversation::new(
                plan,
                link as u32,
                plan.workload.protocol().streams(),
            ),
            first_request: 0,
            resting: 0,
        };
        Self {
            thinking: Thinking::new(plan, &numbers),
            places: (0..numbers.len()).map(place).collect(),
            numbers,
            plan: Arc::clone(plan),
            reconnect_after: plan.workload.reconnect_after(),
            next_expiry: 0,
            batch: Vec::new(),
            outgoing: Outgoing::default(),
        }
    }

    /// Requests that a link can take now.
    fn free_slots<R: Reactor>(&self, parts: &Parts<'_, R>, link: u32) -> u32 {
        let pipeline = self.plan.load.pipeline();
        if !parts.wire.is_up(link)
            || self.is_unresponsive(link)
            || parts.is_unread(link, pipeline)
        {
            return 0;
        }
        let place = &self.places[link as usize];
        let taken = place.in_flight().waiting().saturating_add(place.resting);
        let free = pipeline.saturating_sub(taken);
        free.min(self.reconnect_after.map_or(u32::MAX, |most| place.left_of(most)))
    }

    /// Whether a link has had all its requests, and their replies.
    fn is_worn_out(&self, wire: &Wire, link: u32) -> bool {
        let place = &self.places[link as usize];
        wire.is_up(link)
            && place.in_flight().unanswered() == 0
            && self.reconnect_after.is_some_and(|most| place.left_of(most) == 0)
    }

    /// Whether there are or will be requests for a link.
    fn is_wanted<R: Reactor>(parts: &Parts<'_, R>, link: u32) -> bool {
        let end = parts.window.end();
        let backlog = |demand: &Demand| demand.peek(link) < end;
        !parts.window.is_spent()
            && (parts.now < end || parts.demand.as_ref().is_some_and(backlog))
    }

    /// Sends the due requests of a link as far as it has free slots. They are late by our own
    /// fault (`on_time`) unless it had none before.
    fn send_scheduled<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        on_time: bool,
    ) {
        let mut free = self.free_slots(parts, link);
        // Its slot was free from the instant on at which the reply before it arrived.
        let freed_at = parts.ledger.arrival().unwrap_or(parts.now);
        let (Some(demand), window) = (parts.demand.as_mut(), parts.window) else { return };
        while free > 0 && demand.peek(link) <= parts.now && demand.peek(link) < window.end() {
            let intended = demand.peek(link);
            let measured = intended >= window.start();
            if measured && window.claim(1) == 0 {
                break;
            }
            demand.advance(link);
            free -= 1;
            let ready = if on_time { intended } else { intended.max(freed_at) };
            self.batch.push(Asked { intended, ready, written: None, measured });
        }
        if demand.peek(link) <= parts.now {
            demand.set_aside(link);
        } else {
            demand.put_back(link);
        }
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let written = self.transmit(parts, link, batch.len() as u32, |slots, sizes, at| {
            for (asked, &size) in batch.iter().zip(sizes) {
                slots.push(asked, size, at);
            }
        });
        // Without a stamp nobody knows since when a slot was free that was not free in time.
        let is_known = on_time || parts.ledger.arrival().is_some();
        for asked in &batch {
            parts.ledger.waited(1, asked.intended, written);
            if asked.measured {
                parts.ledger.schedule(1, asked.intended);
                if is_known {
                    parts.ledger.late(asked.intended, written - asked.ready);
                }
            }
        }
        self.batch = batch;
        self.batch.clear();
    }

    /// Fills the free slots of a link of a closed loop.
    fn fill<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let window = parts.window;
        let free = u64::from(self.free_slots(parts, link));
        if free == 0 || parts.now >= window.end() {
            return;
        }
        let due = parts.now >= window.start();
        let granted = if due { window.claim(free) } else { free };
        if granted == 0 {
            return;
        }
        // Requests that were claimed are of the window; else the instant of the write decides.
        let counted = window.counts_requests();
        let mut measured = false;
        let written = self.transmit(parts, link, granted as u32, |slots, sizes, at| {
            measured = if counted { due } else { window.contains(at) };
            let asked = Asked { intended: at, ready: at, written: None, measured };
            slots.push_run(&asked, sizes, at);
        });
        if measured {
            parts.ledger.schedule(granted, written);
        }
    }

    /// Encodes the next `requests` requests of a link, adds them with `add` at the instant
    /// before the write, and sends them; that instant.
    fn transmit<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        requests: u32,
        add: impl FnOnce(&mut InFlight, &[u32], Nanos),
    ) -> Nanos {
        let (number, writes) = (self.numbers[link as usize], self.plan.split_writes);
        let conversation = &mut self.places[link as usize].conversation;
        conversation.ask(&mut self.outgoing, parts.messages, number, requests, writes);
        let now = parts.reactor.now();
        add(&mut conversation.in_flight, self.outgoing.sizes(), now);
        parts.ledger.wrote(requests.into(), now);
        self.outgoing.send(parts, link, now);
        now
    }

    /// Gives a link with free slots its next requests.
    fn feed<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        if self.is_worn_out(parts.wire, link) && Self::is_wanted(parts, link) {
            return self.renew(parts, link);
        }
        match parts.demand {
            None => self.fill(parts, link),
            Some(demand)
                if demand.is_set_aside(link) && demand.peek(link) < parts.window.end() =>
            {
                self.send_scheduled(parts, link, false);
            }
            Some(_) => {}
        }
    }

    /// Bytes of replies, or the end of them.
    fn settle<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: Option<&[u8]>,
    ) -> Result<(), Loss> {
        let number = self.numbers[link as usize];
        let conversation = &mut self.places[link as usize].conversation;
        let before = conversation.in_flight.waiting();
        let settled = conversation.settle(parts, link, number, bytes);
        let in_flight = &conversation.in_flight;
        let (waiting, lacking) = (in_flight.waiting(), in_flight.unanswered());
        let is_over = conversation.requester.is_over();
        self.rest(link, before - waiting, parts.now);
        let awaited = settled?.awaited;
        // It would be closed with whatever is sent on it from now on.
        if is_over {
            // Before the load nothing needs the connection at once.
            if waiting > 0 || !parts.has_begun() {
                return Err(Loss::Closed);
            }
            self.renew(parts, link);
        } else if lacking < awaited && parts.has_begun() {
            self.feed(parts, link);
        }
        Ok(())
    }
}

impl<R: Reactor> Workload<R> for Requests {
    const REDIALS: bool = true;

    fn demand(&self, plan: &Plan, start: Nanos) -> Option<Demand> {
        let numbers = self.numbers.iter().copied();
        Demand::new(plan, numbers, plan.connections, start)
    }

    fn wakes_at(&self) -> Option<Nanos> {
        self.thinking.next()
    }

    fn opened(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Opening {
        let conversation = &mut self.places[link as usize].conversation;
        conversation.open(&self.plan, &mut self.outgoing, parts, link)
    }

    fn is_introduced(&self, link: u32) -> bool {
        self.places[link as usize].conversation.is_open()
    }

    fn ready(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let place = &mut self.places[link as usize];
        place.first_request = place.in_flight().next_request();
        if parts.has_begun() {
            self.feed(parts, link);
        }
    }

    fn begin(&mut self, parts: &mut Parts<'_, R>) {
        if self.thinking.is_on() {
            self.rest_at_first(parts.now);
        } else if !self.plan.load.is_open() {
            (0..parts.wire.len()).for_each(|link| self.fill(parts, link));
        }
    }

    fn due(&mut self, parts: &mut Parts<'_, R>) {
        self.wake(parts);
        while let Some(demand) = parts.demand.as_mut() {
            let Some(link) = demand.pop_due(parts.now) else { return };
            if demand.peek(link) >= parts.window.end() {
                // Nothing more of it is wanted.
                demand.set_aside(link);
                continue;
            }
            self.send_scheduled(parts, link, true);
        }
    }

    fn arrived(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: &[u8],
    ) -> Result<(), Loss> {
        let conversation = &mut self.places[link as usize].conversation;
        if !conversation.is_open() {
            return conversation.go_on_opening(&mut self.outgoing, parts, link, bytes);
        }
        self.settle(parts, link, Some(bytes))
    }

    fn ended(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Result<(), Loss> {
        self.settle(parts, link, None)
    }

    fn writable(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        if parts.has_begun() {
            self.feed(parts, link);
        }
    }

    fn lost(&mut self, parts: &mut Parts<'_, R>, link: u32, loss: &Loss) {
        let in_flight = self.places[link as usize].in_flight();
        let (waiting, request) = (in_flight.waiting(), in_flight.oldest_waiting());
        let (kind, ending) = loss.counts_as();
        let owed = in_flight.owed(parts.now, parts.ledger);
        parts.ledger.list_loss(kind, owed, parts.now, || FirstOffender {
            connection: self.numbers[link as usize],
            request,
            detail: format!("{loss}, requests unanswered: {waiting}"),
            difference: None,
        });
        if loss.is_answer() {
            self.places[link as usize].in_flight_mut().garble(parts.now, parts.ledger);
        }
        self.start_over(parts, link, ending);
    }

    fn wants(&mut self, parts: &mut Parts<'_, R>, link: u32) -> bool {
        Self::is_wanted(parts, link)
    }

    fn expire(&mut self, parts: &mut Parts<'_, R>) {
        let now = parts.now;
        let Some(before) = now.checked_sub(self.plan.timeout_ns) else { return };
        if now < self.next_expiry {
            return;
        }
        // What is written from now on has at least the whole timeout.
        let mut oldest = now;
        for link in 0..parts.wire.len() {
            let in_flight = self.places[link as usize].in_flight_mut();
            let waiting = in_flight.waiting();
            let expired =
                in_flight.expire(self.numbers[link as usize], before, now, parts.ledger);
            oldest = oldest.min(in_flight.oldest_written().unwrap_or(now));
            let ended = waiting - in_flight.waiting();
            self.rest(link, ended, now);
            // A peer that does not even read would be sent ever more for nothing.
            if expired && parts.wire.unsent(parts.reactor, link) == 0 {
                self.feed(parts, link);
            }
            self.replace_unresponsive(parts, link);
        }
        self.next_expiry = oldest.saturating_add(self.plan.timeout_ns);
    }

    fn is_expecting(&self, wire: &Wire, demand: Option<&Demand>, now: Nanos) -> bool {
        // Nothing due yet, or a pause, is no sign that anything is wrong.
        let owed = |link: u32| {
            !wire.is_up(link) || self.places[link as usize].in_flight().waiting() > 0
        };
        let is_due = demand.map_or(!self.thinking.is_on(), |demand| demand.has_backlog(now));
        is_due || (0..wire.len()).any(owed)
    }

    fn is_unfinished(&self, window: &Window, demand: Option<&Demand>) -> bool {
        let backlog =
            !window.is_spent() && demand.is_some_and(|demand| demand.has_backlog(window.end()));
        backlog || self.places.iter().any(|place| place.in_flight().measured() > 0)
    }

    fn conclude(&mut self, parts: &mut Parts<'_, R>) -> Option<PoolCounts> {
        for link in 0..parts.wire.len() {
            self.give_up_schedule(parts, link);
            let in_flight = self.places[link as usize].in_flight_mut();
            let (number, owed) =
                (self.numbers[link as usize], in_flight.owed(parts.now, parts.ledger));
            parts.ledger.list_ended(number, FailureKind::InFlight, owed, || {
                "no reply when the drain ended".into()
            });
            in_flight.abandon(parts.now, parts.ledger, Ending::InFlight);
        }
        None
    }
}
