//! The coordinator of a run on agents without I/O: [`Coordinator`]. It waits for agents, offers
//! them the run, measures their clocks, has all begin at one instant, and says in the end whose
//! report is in the store.
//!
//! ```text
//! gathering -> preparing -> timing -> starting -> running -> finished
//! ```
//!
//! Before anybody starts, an agent that is missing or refuses ends the run, unless enough are left
//! ([`Settings::at_least`]). Afterwards an agent that is lost leaves a part missing, or ends the
//! run ([`OnLoss`]).

mod gathering;
mod member;
mod outcome;

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::message::{
    Answer, Command, Event, Happened, Order, Progress, Reply, Roster, SCHEMA, Start, Stored,
    printable,
};
use crate::{AgentName, Nanos, Round, RunId, SECOND};

use member::{Member, Stage};
pub use outcome::{End, Outcome};

/// How long an agent at work may be silent before it counts as lost: it speaks every second. The
/// time in which nobody can be heard does not count ([`Coordinator::cut_off`]).
pub const SILENCE: Nanos = 5 * SECOND;

/// How often agents that are ready are asked to stay so.
const RENEWAL: Nanos = 3 * SECOND;

/// What happens when an agent is lost in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// The others go on; the report is partial.
    Mark,
    /// The others stop.
    Abort,
}

/// What a run on agents is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub run: RunId,
    /// The digest of the plan in the store.
    pub plan: Digest,
    /// Version of this program, with the revision that it was built from, if known.
    pub version: String,
    /// How many agents carry it out.
    pub agents: u32,
    /// How many are enough.
    pub at_least: u32,
    /// How long to wait for them.
    pub wait_ns: Nanos,
    /// From the last answer to the start: agents start a process and connect meanwhile.
    pub lead_ns: Nanos,
    /// What happens when an agent is lost.
    pub on_loss: OnLoss,
}

/// What whoever drives the coordinator is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send this, for [`Coordinator::answered`] or [`Coordinator::silent`].
    Send {
        /// To whom.
        agent: AgentName,
        /// What.
        command: Command,
    },
    /// Put the roster into the store, for [`Coordinator::kept`].
    Keep(Roster),
    /// Look whether the report of this part is in the store, for [`Coordinator::looked`].
    Look(u32),
    /// Tell the user.
    Tell(String),
    /// The run is over.
    Finish(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Gathering,
    Preparing,
    Timing,
    Keeping,
    Running,
    Finished,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    phase: Phase,
    members: BTreeMap<AgentName, Member>,
    /// Agents of other builds, and those that refused: each is told once.
    refused: BTreeMap<AgentName, String>,
    gather_until: Nanos,
    renew_at: Nanos,
    start_at_ns: u64,
    aborted: Option<String>,
    interrupted: bool,
}

impl Coordinator {
    /// Of a run that begins to wait for agents now.
    pub fn new(settings: Settings, now: Nanos) -> Self {
        Self {
            gather_until: now.saturating_add(settings.wait_ns),
            settings,
            phase: Phase::Gathering,
            members: BTreeMap::new(),
            refused: BTreeMap::new(),
            renew_at: 0,
            start_at_ns: 0,
            aborted: None,
            interrupted: false,
        }
    }

    /// What `order` has for each member, as commands.
    fn send_to_all(&mut self, order: impl Fn(&Member) -> Option<Order>) -> Vec<Action> {
        let run = self.settings.run.clone();
        let each = self.members.iter_mut().filter_map(|(agent, member)| {
            let order = order(member)?;
            Some(send(&run, agent, member, order))
        });
        each.collect()
    }

    /// An agent has answered; `round` is when the command was sent and the answer came.
    pub fn answered(&mut self, answer: &Answer, round: (u64, u64), now: Nanos) -> Vec<Action> {
        let Some(member) = self.members.get_mut(&answer.agent) else { return Vec::new() };
        let run = self.settings.run.clone();
        match (&answer.reply, member.stage) {
            (Reply::Prepared(_), Stage::Asked) => {
                member.stage = Stage::Prepared;
                self.settled()
            }
            (Reply::Clock { at_ns }, Stage::Prepared) if self.phase == Phase::Timing => {
                let (sent_ns, received_ns) = round;
                member.clocks.add(Round { sent_ns, received_ns, answered_ns: *at_ns });
                if member.clocks.are_enough() {
                    return self.timed(received_ns);
                }
                vec![send(&run, &answer.agent, member, Order::Clock {})]
            }
            (Reply::Refused { reason }, Stage::Asked | Stage::Prepared | Stage::Starting) => {
                self.dropped(&answer.agent, &printable(reason))
            }
            (Reply::Accepted {}, Stage::Starting) => {
                (member.stage, member.heard_at) = (Stage::Running, now);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// An agent has not answered.
    pub fn silent(&mut self, agent: &AgentName, now: Nanos) -> Vec<Action> {
        match self.members.get(agent).map(|member| member.stage) {
            Some(Stage::Asked | Stage::Prepared) => self.dropped(agent, "no answer"),
            // It may have begun nevertheless: its events, or their absence, will tell.
            Some(Stage::Starting) => {
                self.members.entry(agent.clone()).and_modify(|member| {
                    (member.stage, member.heard_at) = (Stage::Running, now);
                });
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn roster(&self) -> Roster {
        let members = self.members.iter().map(|(agent, member)| crate::message::Member {
            part: member.part,
            agent: agent.clone(),
            clock: member.clocks.offset(),
        });
        Roster {
            schema: SCHEMA.into(),
            run: self.settings.run.clone(),
            start_at_ns: self.start_at_ns,
            members: members.collect(),
        }
    }

    /// The roster is in the store, or not.
    pub fn kept(&mut self, outcome: Result<(), String>) -> Vec<Action> {
        if self.phase != Phase::Keeping {
            return Vec::new();
        }
        if let Err(reason) = outcome {
            return self.give_up(format!("keeping the list of agents: {reason}"));
        }
        self.phase = Phase::Running;
        let (parts, start_at_ns) = (self.members.len() as u32, self.start_at_ns);
        let starts = self.send_to_all(|member| {
            let clock = member.clocks.offset();
            let at_ns = clock.map_or(start_at_ns, |clock| clock.on_agent(start_at_ns));
            Some(Order::Start(Start { part: member.part, parts, at_ns }))
        });
        for member in self.members.values_mut() {
            member.stage = Stage::Starting;
        }
        starts
    }

    /// An agent says something of its own.
    pub fn event(&mut self, event: &Event, now: Nanos) -> Vec<Action> {
        let Some(member) = self.members.get_mut(&event.agent) else { return Vec::new() };
        if self.phase != Phase::Running
            || event.run != self.settings.run
            || event.part != member.part
            || member.stage.is_over()
        {
            return Vec::new();
        }
        member.heard_at = now;
        match &event.what {
            Happened::Alive(progress) => {
                (member.progress, member.stage) = (*progress, Stage::Running);
                Vec::new()
            }
            Happened::Done(stored) => self.ended(&event.agent, Stage::Done, Ok(stored.clone())),
            Happened::Failed { reason } => {
                self.ended(&event.agent, Stage::Lost, Err(printable(reason)))
            }
        }
    }

    /// Whether the report of a part was found in the store.
    pub fn looked(&mut self, part: u32, found: Option<Stored>) -> Vec<Action> {
        let looking = |(_, member): &(&AgentName, &Member)| {
            member.part == part && member.stage == Stage::Looking
        };
        let Some(agent) = self.members.iter().find(looking).map(|(agent, _)| agent.clone())
        else {
            return Vec::new();
        };
        let silence = || format!("silent for {} s", SILENCE / SECOND);
        match found {
            Some(stored) => self.ended(&agent, Stage::Done, Ok(stored)),
            None => self.ended(&agent, Stage::Lost, Err(silence())),
        }
    }

    /// The part of an agent is over.
    fn ended(
        &mut self,
        agent: &AgentName,
        stage: Stage,
        result: Result<Stored, String>,
    ) -> Vec<Action> {
        let Some(member) = self.members.get_mut(agent) else { return Vec::new() };
        member.stage = stage;
        let mut actions = Vec::new();
        if let Err(reason) = &result {
            let lost = format!("agent {agent} (part {}) is lost: {reason}", member.part);
            actions.push(Action::Tell(lost.clone()));
            if self.settings.on_loss == OnLoss::Abort && self.aborted.is_none() {
                self.aborted = Some(lost);
                actions.extend(self.stop_all(false));
            }
        }
        if let Some(member) = self.members.get_mut(agent) {
            member.result = Some(result);
        }
        actions.extend(self.finished());
        actions
    }

    fn stop_all(&mut self, forced: bool) -> Vec<Action> {
        self.send_to_all(|member| (!member.stage.is_over()).then_some(Order::Stop { forced }))
    }

    fn finished(&mut self) -> Option<Action> {
        let is_over = self.members.values().all(|member| member.stage.is_over());
        (self.phase == Phase::Running && is_over).then(|| self.finish(None))
    }

    fn finish(&mut self, failure: Option<String>) -> Action {
        self.phase = Phase::Finished;
        let ends = self.roster().members.into_iter().filter_map(|member| {
            let result = self.members.get(&member.agent)?.result.clone()?;
            Some(End { member, result })
        });
        Action::Finish(Outcome {
            ends: ends.collect(),
            failure,
            aborted: self.aborted.take(),
            interrupted: self.interrupted,
        })
    }

    /// Ends the run before its start.
    fn give_up(&mut self, reason: String) -> Vec<Action> {
        let mut actions = self.send_to_all(|_| Some(Order::Release {}));
        actions.push(self.finish(Some(reason)));
        actions
    }

    /// The user stops the run; at once if `forced`.
    pub fn stop(&mut self, forced: bool) -> Vec<Action> {
        self.interrupted = true;
        match self.phase {
            Phase::Running => self.stop_all(forced),
            Phase::Finished => Vec::new(),
            _ => self.give_up("interrupted before the load began".to_owned()),
        }
    }

    /// The bus is away: silence counts from when it is back.
    pub fn cut_off(&mut self, now: Nanos) {
        for member in self.members.values_mut() {
            member.heard_at = now;
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Nanos) -> Vec<Action> {
        match self.phase {
            Phase::Gathering if now >= self.gather_until => self.gathered(now),
            Phase::Preparing if now >= self.renew_at => {
                self.renew_at = now.saturating_add(RENEWAL);
                self.send_to_all(|member| {
                    (member.stage == Stage::Prepared).then_some(Order::Renew {})
                })
            }
            Phase::Running => {
                let mut actions = Vec::new();
                for member in self.members.values_mut() {
                    // Until the first word, from when the start was accepted.
                    if member.stage == Stage::Running
                        && now >= member.heard_at.saturating_add(SILENCE)
                    {
                        member.stage = Stage::Looking;
                        actions.push(Action::Look(member.part));
                    }
                }
                actions
            }
            _ => Vec::new(),
        }
    }

    /// How far all parts have come, in sum; the window is that of the one that has come
    /// furthest.
    pub fn progress(&self) -> Progress {
        self.members.values().fold(Progress::default(), |sum, member| {
            let own = &member.progress;
            Progress {
                measured_ns: sum.measured_ns.max(own.measured_ns),
                answered: sum.answered.saturating_add(own.answered),
                failed: sum.failed.saturating_add(own.failed),
                rate_per_s: sum.rate_per_s
                    + if member.stage.is_over() { 0.0 } else { own.rate_per_s },
            }
        })
    }

    /// How many parts go on.
    pub fn at_work(&self) -> u32 {
        self.members.values().filter(|member| !member.stage.is_over()).count() as u32
    }

    /// Whether the parts were told to start.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
}

fn send(run: &RunId, agent: &AgentName, member: &mut Member, order: Order) -> Action {
    member.sequence += 1;
    let (run, sequence) = (run.clone(), member.sequence);
    let command = Command { schema: SCHEMA.into(), run, sequence, order };
    Action::Send { agent: agent.clone(), command }
}

#[cfg(test)]
mod tests;
