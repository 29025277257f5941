//! An agent without I/O: [`Agent`]. It waits for an offer, gets ready, carries out its part when
//! it is told to, and hands over the report.
//!
//! ```text
//! idle -> offered -> prepared -> started -> storing -> idle
//!            \----------\--> idle, when it is released or its lease ends
//! ```
//!
//! Until the start it holds a lease that each command of the run renews: a coordinator that is
//! gone leaves nobody occupied. From the start on it needs no coordinator: it finishes, and its
//! report stays in the store.

mod action;
mod remarks;

use crate::digest::Digest;
use crate::message::{
    Answer, Command, Event, Facts, Happened, Message, Offer, Order, Presence, Progress, Reply,
    SCHEMA, Start, Stored, printable,
};
use crate::plan::PlanDocument;
use crate::{AgentName, Nanos, RunId, SECOND};

pub use action::Action;
use remarks::Remarks;

/// How long an agent stays ready without a word from the coordinator.
pub const LEASE: Nanos = 10 * SECOND;

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

#[derive(Debug)]
enum State {
    Idle,
    /// The plan is on its way.
    Offered(Offer),
    Prepared(Box<PlanDocument>),
    Started {
        part: u32,
        progress: Progress,
        alive_at: Nanos,
    },
    Storing {
        part: u32,
        progress: Progress,
        alive_at: Nanos,
    },
}

/// The run at hand.
#[derive(Debug)]
struct Held {
    run: RunId,
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
        matches!(self.state, State::Started { .. } | State::Storing { .. })
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
                held.lease_until = now.monotonic_ns.saturating_add(LEASE);
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
        if offer.fewest_parts == 0 {
            return self.refuse(now, "an offer", "it is of no part");
        }
        self.offers_taken += 1;
        let lease_until = now.monotonic_ns.saturating_add(LEASE);
        self.held = Some(Held { run: run.clone(), sequence, lease_until });
        self.state = State::Offered(offer);
        vec![Action::Announce, Action::Fetch(run)]
    }

    /// A command of the run at hand.
    fn ordered(&mut self, order: Order, now: Now) -> Vec<Action> {
        let accepted = Action::Answer(self.answer(Reply::Accepted {}));
        match (order, &self.state) {
            (Order::Clock {}, _) => {
                vec![Action::Answer(self.answer(Reply::Clock { at_ns: now.wall_ns }))]
            }
            // Of a part that has ended, what was measured is on its way.
            (Order::Renew {}, _) | (Order::Stop { .. }, State::Storing { .. }) => {
                vec![accepted]
            }
            (Order::Start(start), State::Prepared(_)) => self.start(start, now),
            (Order::Stop { forced }, State::Started { .. }) => {
                vec![accepted, if forced { Action::Kill } else { Action::Interrupt }]
            }
            (
                Order::Release {} | Order::Stop { .. },
                State::Offered(_) | State::Prepared(_),
            ) => {
                let mut actions = self.idle();
                actions.insert(0, accepted);
                actions
            }
            (Order::Start(_), _) => self.refuse(now, "a start", "not ready for it"),
            (Order::Release {}, _) => {
                self.refuse(now, "a release", "its part has begun: stop it, or let it finish")
            }
            (Order::Stop { .. } | Order::Offer(_), _) => {
                self.refuse(now, "a command", "there is nothing to stop")
            }
        }
    }

    fn start(&mut self, start: Start, now: Now) -> Vec<Action> {
        if !(1..=start.parts).contains(&start.part) {
            return self.refuse(now, "a start", "there is no such part");
        }
        let alive_at = now.monotonic_ns.saturating_add(ALIVE);
        let progress = Progress::default();
        let started = State::Started { part: start.part, progress, alive_at };
        let State::Prepared(plan) = std::mem::replace(&mut self.state, started) else {
            return Vec::new();
        };
        let told = format!("run {}: part {}/{}", plan.run, start.part, start.parts);
        let accepted = Action::Answer(self.answer(Reply::Accepted {}));
        vec![accepted, Action::Launch { plan, start }, Action::Tell(told)]
    }

    /// The plan of a run came out of the store, or not.
    pub fn fetched(&mut self, run: &RunId, plan: Result<Vec<u8>, String>) -> Vec<Action> {
        let (State::Offered(offer), true) = (&self.state, self.run() == Some(run)) else {
            return Vec::new();
        };
        let plan = plan.and_then(|bytes| {
            PlanDocument::read(&bytes, run, &offer.plan, &self.version)
                .map_err(|reason| reason.to_string())
        });
        match plan {
            Ok(plan) => {
                let fewest_parts = offer.fewest_parts;
                vec![Action::Check { plan: Box::new(plan), fewest_parts }]
            }
            Err(reason) => self.refuse_offer(&reason),
        }
    }

    /// A plan was checked.
    pub fn checked(
        &mut self,
        plan: Box<PlanDocument>,
        facts: Result<Facts, String>,
    ) -> Vec<Action> {
        let is_offered = matches!(self.state, State::Offered(_));
        if !is_offered || self.run() != Some(&plan.run) {
            return Vec::new();
        }
        match facts {
            Ok(facts) => {
                self.state = State::Prepared(plan);
                vec![Action::AnswerOffer(self.answer(Reply::Prepared(facts)))]
            }
            Err(reason) => self.refuse_offer(&reason),
        }
    }

    /// The process says how far it has come.
    pub fn progress(&mut self, seen: Progress) {
        if let State::Started { progress, .. } = &mut self.state {
            *progress = seen;
        }
    }

    /// The process has ended, with a report or not.
    pub fn ended(&mut self, outcome: Result<(), String>, now: Now) -> Vec<Action> {
        let State::Started { part, progress, .. } = self.state else { return Vec::new() };
        let Some(run) = self.run().cloned() else { return Vec::new() };
        match outcome {
            Ok(()) => {
                let alive_at = now.monotonic_ns.saturating_add(ALIVE);
                self.state = State::Storing { part, progress, alive_at };
                vec![Action::Store { run, part }]
            }
            Err(reason) => self.finish(part, Happened::Failed { reason: printable(&reason) }),
        }
    }

    /// The report is in the store, or not.
    pub fn stored(&mut self, outcome: Result<Stored, String>) -> Vec<Action> {
        let State::Storing { part, .. } = self.state else { return Vec::new() };
        let what = match outcome {
            Ok(stored) => Happened::Done(stored),
            Err(reason) => Happened::Failed { reason: printable(&reason) },
        };
        self.finish(part, what)
    }

    fn finish(&mut self, part: u32, what: Happened) -> Vec<Action> {
        let Some(run) = self.run().cloned() else { return Vec::new() };
        let told = match &what {
            Happened::Failed { reason } => format!("run {run}: part {part} failed: {reason}"),
            _ => format!("run {run}: part {part} is done, its report is in the store"),
        };
        let mut actions =
            vec![Action::Publish(self.event(run, part, what)), Action::Tell(told)];
        actions.extend(self.idle());
        actions
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let mut actions: Vec<Action> =
            self.remarks.tick(now.monotonic_ns).map(Action::Tell).into_iter().collect();
        match &mut self.state {
            State::Offered(_) | State::Prepared(_) => {
                let ends = self.held.as_ref().map_or(0, |held| held.lease_until);
                if now.monotonic_ns >= ends {
                    let run = self.run().map(RunId::to_string).unwrap_or_default();
                    let told =
                        format!("run {run}: its coordinator is silent; ready for another");
                    actions.push(Action::Tell(told));
                    actions.extend(self.idle());
                }
            }
            State::Started { part, progress, alive_at }
            | State::Storing { part, progress, alive_at }
                if now.monotonic_ns >= *alive_at =>
            {
                *alive_at = now.monotonic_ns.saturating_add(ALIVE);
                let (part, progress) = (*part, *progress);
                if let Some(run) = self.run().cloned() {
                    actions.push(Action::Publish(self.event(
                        run,
                        part,
                        Happened::Alive(progress),
                    )));
                }
            }
            _ => {}
        }
        actions
    }

    fn idle(&mut self) -> Vec<Action> {
        (self.state, self.held) = (State::Idle, None);
        vec![Action::Announce]
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
