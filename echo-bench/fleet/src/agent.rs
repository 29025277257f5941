//! An agent without I/O: [`Agent`]. It waits for an offer, gets ready, carries out its part when
//! it is told to, or looks at the server on its machine, and hands over the report.
//!
//! ```text
//! idle -> offered -> prepared -> started -> storing -> idle
//!            \----------\--> idle, when it is released or its lease ends
//! ```
//!
//! Until the start it holds a lease that each command of the run renews: a coordinator that is
//! gone leaves nobody occupied. From the start on a part needs no coordinator: it finishes, and its
//! report stays in the store. A server has no end of its own: it is kept until the load of its plan
//! is over, and as long as the lease lasts.

mod action;
mod remarks;
mod working;

use crate::digest::Digest;
use crate::message::{
    Answer, Command, Event, Facts, Happened, Message, Offer, Order, Presence, Progress, Reply,
    SCHEMA, SERVER, Serving, Start, Stored, Watch, Work, printable,
};
use crate::plan::PlanDocument;
use crate::{AgentName, Nanos, RunId, SECOND};

pub use action::Action;
use remarks::Remarks;

/// How long an agent stays ready without a word from the coordinator.
pub const LEASE: Nanos = 10 * SECOND;

/// The same of a server that is on its way, which may take its time.
pub const SERVER_LEASE: Nanos = 30 * SECOND;

/// The longest that a server is kept for a load without a word from the coordinator.
const LONGEST_KEPT: Nanos = 24 * 3600 * SECOND;

/// How often an agent at work says that it is alive; below the second that it is asked once.
const ALIVE: Nanos = SECOND / 10 * 9;

/// The time, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// By the monotonic clock.
    pub monotonic_ns: Nanos,
    /// The time of day, in nanoseconds since 1970.
    pub wall_ns: u64,
}

/// What an agent has ready for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// What a part needs.
    Part(Facts),
    /// The server.
    Server {
        /// Where it is.
        serving: Serving,
        /// How long it is needed from the beginning of the load on, where that is known.
        length_ns: Option<Nanos>,
    },
}

/// A part at work, or the server.
#[derive(Debug, Clone, Copy)]
struct AtWork {
    part: u32,
    progress: Progress,
    alive_at: Nanos,
    /// Until when the server is kept without a coordinator; none of a part, which has an end.
    kept_until: Option<Nanos>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// The plan is on its way.
    Offered(Offer),
    Prepared {
        plan: Box<PlanDocument>,
        /// How long a server is needed, where that is known.
        length_ns: Option<Nanos>,
    },
    Started(AtWork),
    Storing(AtWork),
}

/// The run at hand.
#[derive(Debug)]
struct Held {
    run: RunId,
    work: Work,
    /// Of the last command.
    sequence: u64,
    lease_until: Nanos,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Agent {
    name: AgentName,
    version: String,
    cores: u32,
    /// What no other start of an agent has.
    instance: u64,
    offers_taken: u64,
    state: State,
    held: Option<Held>,
    remarks: Remarks,
}

impl Agent {
    /// An agent of this name and version; `instance` is random.
    pub fn new(name: AgentName, version: &str, cores: u32, instance: u64) -> Self {
        Self {
            name,
            version: version.to_owned(),
            cores,
            instance,
            offers_taken: 0,
            state: State::Idle,
            held: None,
            remarks: Remarks::default(),
        }
    }

    /// What stands in the table of agents.
    pub fn presence(&self) -> Presence {
        Presence {
            schema: SCHEMA.into(),
            agent: self.name.clone(),
            version: self.version.clone(),
            ticket: self.ticket(),
            run: self.held.as_ref().map(|held| held.run.clone()),
            cores: self.cores,
        }
    }

    fn ticket(&self) -> String {
        format!("{:016x}-{}", self.instance, self.offers_taken)
    }

    /// The run at hand, if there is one.
    pub fn run(&self) -> Option<&RunId> {
        self.held.as_ref().map(|held| &held.run)
    }

    /// Whether a part is being carried out.
    pub fn is_at_work(&self) -> bool {
        matches!(self.state, State::Started(_) | State::Storing(_))
    }

    /// A command came, whatever its bytes are.
    pub fn command(&mut self, bytes: &[u8], now: Now) -> Vec<Action> {
        let command = match Command::read(bytes) {
            Ok(command) => command,
            Err(reason) => return self.refuse(now, "a message", &reason.to_string()),
        };
        let Command { run, sequence, order, .. } = command;
        if let Order::Offer(offer) = order {
            return self.offered(run, sequence, offer, now);
        }
        let reason = match &mut self.held {
            Some(held) if held.run != run => format!("busy with run {}", held.run),
            None => format!("no run {run} at hand (its lease may have ended)"),
            Some(held) if sequence <= held.sequence => {
                format!("sequence {sequence} is not above {}: sent before", held.sequence)
            }
            Some(held) => {
                held.sequence = sequence;
                // It may be longer, while a server is made ready.
                let lease_until = now.monotonic_ns.saturating_add(LEASE);
                held.lease_until = held.lease_until.max(lease_until);
                return self.ordered(order, now);
            }
        };
        self.refuse(now, "a command", &reason)
    }

    fn offered(&mut self, run: RunId, sequence: u64, offer: Offer, now: Now) -> Vec<Action> {
        if let Some(held) = &self.held {
            let reason = format!("busy with run {}", held.run);
            return self.refuse(now, "an offer", &reason);
        }
        if offer.ticket != self.ticket() {
            let reason = "its ticket is used up or another agent's: offered before";
            return self.refuse(now, "an offer", reason);
        }
        let lease = match offer.work {
            Work::Part { fewest_parts: 0 } => {
                return self.refuse(now, "an offer", "it is of no part");
            }
            Work::Part { .. } => LEASE,
            Work::Server {} => SERVER_LEASE,
        };
        self.offers_taken += 1;
        let lease_until = now.monotonic_ns.saturating_add(lease);
        let work = offer.work;
        self.held = Some(Held { run: run.clone(), work, sequence, lease_until });
        self.state = State::Offered(offer);
        vec![Action::Announce, Action::Fetch(run, work)]
    }

    /// A command of the run at hand.
    fn ordered(&mut self, order: Order, now: Now) -> Vec<Action> {
        let accepted = Action::Answer(self.answer(Reply::Accepted {}));
        match (order, &self.state) {
            (Order::Clock {}, _) => {
                vec![Action::Answer(self.answer(Reply::Clock { at_ns: now.wall_ns }))]
            }
            // Of a part that has ended, what was measured is on its way.
            (Order::Renew {}, _) | (Order::Stop { .. }, State::Storing(_)) => {
                vec![accepted]
            }
            (Order::Start(start), State::Prepared { .. }) => self.start(start, now),
            (Order::Watch(watch), State::Prepared { .. }) => self.watch(watch, now),
            (Order::Stop { forced }, State::Started(_)) => {
                vec![accepted, if forced { Action::Kill } else { Action::Interrupt }]
            }
            (
                Order::Release {} | Order::Stop { .. },
                State::Offered(_) | State::Prepared { .. },
            ) => {
                let mut actions = self.idle();
                actions.insert(0, accepted);
                actions
            }
            (Order::Start(_) | Order::Watch(_), _) => {
                self.refuse(now, "a start", "not ready for it")
            }
            (Order::Release {}, _) => {
                self.refuse(now, "a release", "its part has begun: stop it, or let it finish")
            }
            (Order::Stop { .. } | Order::Offer(_), _) => {
                self.refuse(now, "a command", "there is nothing to stop")
            }
        }
    }

    fn start(&mut self, start: Start, now: Now) -> Vec<Action> {
        if self.serves() {
            return self.refuse(now, "a start", "it was asked to look at the server");
        }
        if !(1..=start.parts).contains(&start.part) {
            return self.refuse(now, "a start", "there is no such part");
        }
        let Some(plan) = self.begin(start.part, now, None) else { return Vec::new() };
        let told = format!("run {}: part {}/{}", plan.run, start.part, start.parts);
        let accepted = Action::Answer(self.answer(Reply::Accepted {}));
        vec![accepted, Action::Launch { plan, start }, Action::Tell(told)]
    }

    fn watch(&mut self, watch: Watch, now: Now) -> Vec<Action> {
        if !self.serves() {
            return self.refuse(now, "a start", "it was asked for a part of the load");
        }
        let length_ns = match self.state {
            State::Prepared { length_ns, .. } => length_ns.unwrap_or(0),
            _ => 0,
        };
        let until_load = watch.at_ns.saturating_sub(now.wall_ns);
        let kept = length_ns.saturating_add(until_load).min(LONGEST_KEPT);
        let kept_until = now.monotonic_ns.saturating_add(kept);
        let Some(plan) = self.begin(SERVER, now, Some(kept_until)) else { return Vec::new() };
        let told = format!("run {}: looks at the server", plan.run);
        let accepted = Action::Answer(self.answer(Reply::Accepted {}));
        vec![accepted, Action::Watch { plan, watch }, Action::Tell(told)]
    }

    /// Takes up what it is ready for.
    fn begin(
        &mut self,
        part: u32,
        now: Now,
        kept_until: Option<Nanos>,
    ) -> Option<Box<PlanDocument>> {
        let alive_at = now.monotonic_ns.saturating_add(ALIVE);
        let work = AtWork { part, progress: Progress::default(), alive_at, kept_until };
        match std::mem::replace(&mut self.state, State::Started(work)) {
            State::Prepared { plan, .. } => Some(plan),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether the run at hand has it look at the server.
    fn serves(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.work == Work::Server {})
    }

    /// Forgets the run; a server that nobody has loaded yet is not needed any more.
    fn idle(&mut self) -> Vec<Action> {
        let is_waiting = matches!(self.state, State::Offered(_) | State::Prepared { .. });
        let abandoned = (self.serves() && is_waiting).then_some(Action::Abandon);
        (self.state, self.held) = (State::Idle, None);
        abandoned.into_iter().chain([Action::Announce]).collect()
    }

    fn answer(&self, reply: Reply) -> Answer {
        Answer { schema: SCHEMA.into(), agent: self.name.clone(), reply }
    }

    fn event(&self, run: RunId, part: u32, what: Happened) -> Event {
        Event { schema: SCHEMA.into(), agent: self.name.clone(), run, part, what }
    }

    fn refuse(&mut self, now: Now, what: &str, reason: &str) -> Vec<Action> {
        let refused = self.answer(Reply::Refused { reason: printable(reason) });
        let told = format!("refused {what}: {}", printable(reason));
        let told = self.remarks.add(told, now.monotonic_ns);
        std::iter::once(Action::Answer(refused)).chain(told.map(Action::Tell)).collect()
    }

    /// Refuses the offer that was taken for a moment.
    fn refuse_offer(&mut self, reason: &str) -> Vec<Action> {
        let reason = printable(reason);
        let told = Action::Tell(format!("refused a plan: {reason}"));
        let refused = Action::AnswerOffer(self.answer(Reply::Refused { reason }));
        let mut actions = vec![refused, told];
        actions.extend(self.idle());
        actions
    }
}

/// The digest of a report, for [`Stored`].
pub fn stored(report: &[u8]) -> Stored {
    Stored { digest: Digest::of(report), bytes: report.len() as u64 }
}

#[cfg(test)]
mod tests;
