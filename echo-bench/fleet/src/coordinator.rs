//! The coordinator of a run on agents without I/O: [`Coordinator`]. It waits for agents, has one of
//! them get the server ready if that was asked for, offers the others the run, measures their
//! clocks, has all begin at one instant, and says in the end whose report is in the store.
//!
//! ```text
//! gathering -> (serving) -> planning -> preparing -> timing -> keeping -> running -> finished
//! ```
//!
//! Before anybody starts, an agent that is missing or refuses ends the run, unless enough are left
//! ([`Settings::at_least`]). Afterwards an agent that is lost leaves a part missing, or ends the
//! run ([`OnLoss`]).

mod gathering;
mod member;
mod outcome;
mod running;
mod serving;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::digest::Digest;
use crate::message::{Answer, Command, Order, Reply, Roster, SCHEMA, Start, Watch, printable};
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

/// The agent on the machine of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfServer {
    /// Its name.
    pub agent: AgentName,
    /// The digest of its plan in the store.
    pub plan: Digest,
}

/// What a run on agents is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub run: RunId,
    /// Who looks at the server, if anybody does.
    pub server: Option<OfServer>,
    /// Version of this program, with the revision that it was built from, if known.
    pub version: String,
    /// How many agents put load on.
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
    /// Put the plan of the parts into the store, for [`Coordinator::planned`].
    Plan {
        /// Where the server is, if an agent has started it.
        server: Option<SocketAddr>,
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
    Serving,
    Planning,
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
    /// The server was told that the load is over.
    has_let_go: bool,
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
            has_let_go: false,
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
            (Reply::Prepared(_), Stage::Asked) if !member.serves => {
                member.stage = Stage::Prepared;
                self.settled()
            }
            (Reply::Serving(serving), Stage::Asked) if member.serves => {
                member.stage = Stage::Prepared;
                self.asks_for_plan(serving.address)
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
        let described = |(agent, member): (&AgentName, &Member)| crate::message::Member {
            part: member.part,
            agent: agent.clone(),
            clock: member.clocks.offset(),
        };
        Roster {
            schema: SCHEMA.into(),
            run: self.settings.run.clone(),
            start_at_ns: self.start_at_ns,
            members: self.loads().map(described).collect(),
            server: self.server().map(described),
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
        let (parts, start_at_ns) = (self.loads().count() as u32, self.start_at_ns);
        let starts = self.send_to_all(|member| {
            let clock = member.clocks.offset();
            let at_ns = clock.map_or(start_at_ns, |clock| clock.on_agent(start_at_ns));
            Some(if member.serves {
                Order::Watch(Watch { at_ns })
            } else {
                Order::Start(Start { part: member.part, parts, at_ns })
            })
        });
        for member in self.members.values_mut() {
            member.stage = Stage::Starting;
        }
        starts
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
