//! Drives a [`Coordinator`] over the bus: [`coordinate`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Operation, Watch};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::{Bus, BusError, Stops, store, wall_ns};
use crate::agent::stored;
use crate::coordinator::{Action, Outcome, Settings};
use crate::message::{
    Answer, Command, Event, MOST_REPORT_BYTES, Message, Order, Presence, Progress, Stored, Work,
};
use crate::plan::{Digest, PlanDocument};
use crate::{AgentName, Coordinator, Nanos, RunId};

/// How long an answer may take: an offer is answered once the plan was fetched and checked.
const OFFER_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// How often a report is looked for where the store does not answer, and how long in between.
const LOOK_TRIES: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How long commands may take to leave after the end.
const LEAVE_LIMIT: Duration = Duration::from_secs(4);

/// How often time passes, and after how many of that the progress is told.
const TICK: Duration = Duration::from_millis(250);
const TICKS_OF_A_LINE: u32 = 4;

/// The plan of the parts, given where the server is if an agent has started it.
pub type PlanOfParts = Box<dyn Fn(Option<SocketAddr>) -> PlanDocument>;

/// A run to coordinate.
pub struct Run {
    /// What is carried out.
    pub plan: PlanOfParts,
    /// What an agent on the machine of the server is asked, if one is.
    pub server: Option<PlanDocument>,
    /// By how many, and so on.
    pub settings: Settings,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What the user is told while it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// How far the parts have come, in sum.
    Progress {
        /// How far.
        sum: Progress,
        /// How many of them go on.
        at_work: u32,
    },
    /// What must not be overlooked.
    Warning(String),
}

#[derive(Debug)]
enum Input {
    Present(Presence),
    Answered(Answer, (u64, u64)),
    Silent(AgentName),
    Planned(Result<Digest, String>),
    Kept(Result<(), String>),
    Looked(u32, Option<Stored>),
}

type Queue = mpsc::UnboundedSender<Command>;

struct Coordinating {
    bus: Bus,
    run: RunId,
    inputs: mpsc::UnboundedSender<Input>,
    /// Commands to an agent leave one after the other, as their sequence says.
    queues: BTreeMap<AgentName, Queue>,
    senders: Vec<JoinHandle<()>>,
}

/// Carries out a run to its end.
///
/// # Errors
/// When the bus fails before the start.
pub async fn coordinate(
    bus: &Bus,
    run: Run,
    mut stops: Stops,
    mut tell: impl FnMut(Said),
) -> Result<Outcome, BusError> {
    let Run { plan, server, settings } = run;
    if let Some(server) = server {
        bus.put(&store::plan(&settings.run, Work::Server {}), &server.to_bytes()).await?;
    }
    let mut events = bus.listen(Bus::subject_of_events(&settings.run, "*")).await?;
    let table = bus.table().await?;
    let watched = table.watch_with_history(">").await;
    let mut agents = Some(watched.map_err(|error| BusError::NoStore(error.to_string()))?);
    let (inputs, mut happened) = mpsc::unbounded_channel();
    let mut shell = Coordinating {
        bus: bus.clone(),
        run: settings.run.clone(),
        inputs,
        queues: BTreeMap::new(),
        senders: Vec::new(),
    };
    let since = Instant::now();
    let now = || u64::try_from(since.elapsed().as_nanos()).unwrap_or(Nanos::MAX);
    let mut coordinator = Coordinator::new(settings, now());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut count, mut times_stopped, mut told) = (0_u32, 0_u32, None);
    loop {
        let actions = tokio::select! {
            entry = next_agent(&mut agents) => {
                shell.ask_for_presence(entry);
                Vec::new()
            }
            Some(input) = happened.recv() => match input {
                Input::Present(presence) => coordinator.present(&presence, now()),
                Input::Answered(answer, round) => coordinator.answered(&answer, round, now()),
                Input::Silent(agent) => coordinator.silent(&agent, now()),
                Input::Planned(plan) => coordinator.planned(plan),
                Input::Kept(outcome) => coordinator.kept(outcome),
                Input::Looked(part, found) => coordinator.looked(part, found),
            },
            event = events.next() => match event {
                // What nobody understands changes nothing.
                Some(event) => Event::read(&event.payload)
                    .map(|event| coordinator.event(&event, now()))
                    .unwrap_or_default(),
                None => return Err(BusError::Closed("no more events come".into())),
            },
            _ = ticks.tick() => {
                count = count.wrapping_add(1);
                if !bus.is_connected() {
                    coordinator.cut_off(now());
                }
                if coordinator.is_running() {
                    // Nobody joins any more.
                    agents = None;
                    if count.is_multiple_of(TICKS_OF_A_LINE) {
                        let (sum, at_work) = (coordinator.progress(), coordinator.at_work());
                        // What is as it was is not told again.
                        if told != Some((sum, at_work)) {
                            tell(Said::Progress { sum, at_work });
                            told = Some((sum, at_work));
                        }
                    }
                }
                coordinator.tick(now())
            }
            () = stops.next() => {
                times_stopped += 1;
                coordinator.stop(times_stopped > 1)
            }
        };
        let mut outcome = None;
        for action in actions {
            match action {
                Action::Send { agent, command } => shell.send(agent, command),
                Action::Plan { server } => shell.plan(plan(server).to_bytes()),
                Action::Keep(roster) => shell.keep(roster.to_bytes()),
                Action::Look(part) => shell.look(part),
                Action::Tell(text) => tell(Said::Warning(text)),
                Action::Finish(ended) => outcome = Some(ended),
            }
        }
        if let Some(outcome) = outcome {
            shell.leave().await;
            return Ok(outcome);
        }
    }
}

/// The next agent that stands in the table; never, once nobody is waited for.
async fn next_agent(agents: &mut Option<Watch>) -> AgentName {
    while let Some(watch) = agents {
        match watch.next().await {
            Some(Ok(entry)) if entry.operation == Operation::Put => {
                if let Ok(name) = entry.key.parse() {
                    return name;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => *agents = None,
        }
    }
    std::future::pending().await
}

impl Coordinating {
    /// Asks an agent of the table itself: it may be gone already, or have another ticket by now.
    fn ask_for_presence(&self, agent: AgentName) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let subject = Bus::subject_of_presence(&agent);
            let Some(bytes) = bus.ask(subject, Vec::new(), ANSWER_LIMIT).await else { return };
            if let Ok(presence) = Presence::read(&bytes)
                && presence.agent == agent
            {
                let _ = inputs.send(Input::Present(presence));
            }
        });
    }

    fn send(&mut self, agent: AgentName, command: Command) {
        let queue = self.queues.entry(agent).or_insert_with_key(|agent| {
            let (queue, commands) = mpsc::unbounded_channel();
            let sending =
                deliver(self.bus.clone(), agent.clone(), commands, self.inputs.clone());
            self.senders.push(tokio::spawn(sending));
            queue
        });
        // It ends only with this.
        let _ = queue.send(command);
    }

    fn plan(&self, plan: Vec<u8>) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let name = store::plan(&self.run, Work::Part { fewest_parts: 1 });
        tokio::spawn(async move {
            let put = bus.put(&name, &plan).await;
            let put = put.map(|()| Digest::of(&plan)).map_err(|error| error.to_string());
            let _ = inputs.send(Input::Planned(put));
        });
    }

    fn keep(&self, roster: Vec<u8>) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let name = store::roster(&self.run);
        tokio::spawn(async move {
            let kept = bus.put(&name, &roster).await;
            let _ = inputs.send(Input::Kept(kept.map_err(|error| error.to_string())));
        });
    }

    fn look(&self, part: u32) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let name = store::report(&self.run, part);
        tokio::spawn(async move {
            let mut tries = 0;
            let found = loop {
                tries += 1;
                match bus.get(&name, MOST_REPORT_BYTES).await {
                    Ok(found) => break found,
                    // That nobody could look does not mean that there is none.
                    Err(_) if tries < LOOK_TRIES => tokio::time::sleep(LOOK_PAUSE).await,
                    Err(_) => break None,
                }
            };
            let found = found.map(|report| stored(&report));
            let _ = inputs.send(Input::Looked(part, found));
        });
    }

    /// Waits until the last commands have left.
    async fn leave(mut self) {
        self.queues.clear();
        let all = async {
            for sender in self.senders {
                let _ = sender.await;
            }
        };
        let _ = tokio::time::timeout(LEAVE_LIMIT, all).await;
        self.bus.flush().await;
    }
}

/// Sends commands to an agent, one after the other.
async fn deliver(
    bus: Bus,
    agent: AgentName,
    mut commands: mpsc::UnboundedReceiver<Command>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    while let Some(command) = commands.recv().await {
        let is_offer = matches!(command.order, Order::Offer(_));
        let limit = if is_offer { OFFER_LIMIT } else { ANSWER_LIMIT };
        let message = command.to_bytes();
        let sent_ns = wall_ns();
        let answer = bus.ask(Bus::subject_of_commands(&agent), message, limit).await;
        let received_ns = wall_ns();
        let answer = answer.and_then(|bytes| Answer::read(&bytes).ok());
        let input = match answer.filter(|answer| answer.agent == agent) {
            Some(answer) => Input::Answered(answer, (sent_ns, received_ns)),
            None => Input::Silent(agent.clone()),
        };
        let _ = inputs.send(input);
    }
}
