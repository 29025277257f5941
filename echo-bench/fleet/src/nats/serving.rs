//! Drives an [`Agent`] over the bus: [`serve`]. What only the program can do is its [`Host`]'s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::{Bus, BusError, Stops, store, table, wall_ns};
use crate::agent::{Action, Now, Ready, stored};
use crate::message::{Facts, Message, Presence, Progress, Serving, Start, Stored, Watch, Work};
use crate::plan::{self, PlanDocument};
use crate::{Agent, AgentName, Nanos, RunId};

/// How often a report is offered to the store, and how long it waits in between: a server that is
/// restarted is back by then.
const STORE_TRIES: u32 = 20;
const STORE_PAUSE: Duration = Duration::from_secs(3);

/// What an agent has somebody else do: check a plan and carry out a part of it, or have a server
/// ready and look at it.
pub trait Host: Send + Sync {
    /// Checks limits and permitted targets. May take its time.
    ///
    /// # Errors
    /// Why the plan can't be carried out here.
    fn check(&self, plan: &PlanDocument, fewest_parts: u32) -> Result<Facts, String>;

    /// Starts a process for a part, which says through `said` how it goes, and in the end that it
    /// is over. Called on the thread that [`serve`] runs on.
    ///
    /// # Errors
    /// Why it can't be started.
    fn launch(&self, plan: &PlanDocument, start: Start, said: FromPart) -> Result<(), String>;

    /// Starts the server of a plan, or finds it: where it is, and how long it is needed from the
    /// beginning of the load on, where that is known. May take its time.
    ///
    /// # Errors
    /// Why there is none.
    fn serve(&self, plan: &PlanDocument) -> Result<(Serving, Option<Nanos>), String>;

    /// Looks at the server that was made ready until it is interrupted, stops it if it was started
    /// here, and then says through `said` what was seen.
    ///
    /// # Errors
    /// Why it can't be looked at.
    fn watch(&self, plan: &PlanDocument, watch: Watch, said: FromPart) -> Result<(), String>;

    /// Stops the server that was made ready, or is on its way.
    fn abandon(&self);

    /// Asks the process to end, or ends the look at the server.
    fn interrupt(&self);

    /// Has the process end at once: with what was measured, if it can still hand it over.
    fn kill(&self);

    /// The agent can be asked from now on.
    fn ready(&self, agent: &AgentName);

    /// Tells whoever watches the agent.
    fn tell(&self, text: &str);
}

/// Through which a part says how it goes.
#[derive(Debug, Clone)]
pub struct FromPart(mpsc::UnboundedSender<Input>);

impl FromPart {
    /// How far it is.
    pub fn progress(&self, progress: Progress) {
        let _ = self.0.send(Input::Progress(progress));
    }

    /// It is over, with this report, or without.
    pub fn ended(&self, report: Result<Vec<u8>, String>) {
        let _ = self.0.send(Input::Ended(report));
    }
}

#[derive(Debug)]
enum Input {
    Fetched(RunId, Result<Vec<u8>, String>),
    Checked(Box<PlanDocument>, Result<Ready, String>),
    Progress(Progress),
    Ended(Result<Vec<u8>, String>),
    Stored(Result<Stored, String>),
}

struct Shell {
    bus: Bus,
    agent: Agent,
    host: Arc<dyn Host>,
    inputs: mpsc::UnboundedSender<Input>,
    presence: watch::Sender<Presence>,
    /// Where the offer at hand is answered.
    offered_by: Option<async_nats::Subject>,
    /// Of the part that has ended.
    report: Vec<u8>,
    since: Instant,
}

/// Serves until it is told to stop: a part at work is interrupted then and its report stored; the
/// second time it is killed.
///
/// # Errors
/// When somebody has its name already, or the bus is gone for good.
pub async fn serve(
    bus: Bus,
    agent: Agent,
    host: Arc<dyn Host>,
    mut stops: Stops,
) -> Result<(), BusError> {
    let now = agent.presence();
    let name = now.agent.clone();
    let asked = bus.ask(Bus::subject_of_presence(&name), Vec::new(), Duration::from_secs(1));
    if asked.await.is_some() {
        return Err(BusError::Named(name));
    }
    let mut commands = bus.listen(Bus::subject_of_commands(&name)).await?;
    let mut questions = bus.listen(Bus::subject_of_presence(&name)).await?;
    host.ready(&name);
    let (presence, shown) = watch::channel(now);
    let announcing = tokio::spawn(table::announce(bus.clone(), name, shown));
    let (inputs, mut happened) = mpsc::unbounded_channel();
    let offered_by = None;
    let (report, since) = (Vec::new(), Instant::now());
    let mut serving = Shell { bus, agent, host, inputs, presence, offered_by, report, since };
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_leaving = false;
    loop {
        tokio::select! {
            command = commands.next() => match command {
                Some(command) => serving.command(command).await,
                None => return Err(BusError::Closed("no more commands come".into())),
            },
            question = questions.next() => {
                if let Some(reply) = question.and_then(|question| question.reply) {
                    serving.bus.tell(reply, serving.agent.presence().to_bytes()).await;
                }
            }
            Some(input) = happened.recv() => serving.input(input).await,
            _ = ticks.tick() => {
                let actions = serving.agent.tick(serving.now());
                serving.carry_out(actions, None).await;
            }
            () = stops.next() => {
                if is_leaving {
                    serving.host.kill();
                    break;
                }
                is_leaving = true;
                serving.host.interrupt();
            }
        }
        if is_leaving && !serving.agent.is_at_work() {
            break;
        }
    }
    serving.host.abandon();
    serving.bus.flush().await;
    let bus = serving.bus.clone();
    drop(serving);
    // It takes itself out of the table.
    let _ = tokio::time::timeout(Duration::from_secs(2), announcing).await;
    bus.flush().await;
    Ok(())
}

impl Shell {
    fn now(&self) -> Now {
        let monotonic_ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { monotonic_ns, wall_ns: wall_ns() }
    }

    async fn command(&mut self, command: async_nats::Message) {
        let actions = self.agent.command(&command.payload, self.now());
        if actions.iter().any(|action| matches!(action, Action::Fetch(..))) {
            self.offered_by.clone_from(&command.reply);
        }
        self.carry_out(actions, command.reply).await;
    }

    async fn input(&mut self, input: Input) {
        let actions = match input {
            Input::Fetched(run, plan) => self.agent.fetched(&run, plan),
            Input::Checked(plan, ready) => self.agent.checked(plan, ready),
            Input::Progress(progress) => {
                self.agent.progress(progress);
                return;
            }
            Input::Ended(report) => {
                let outcome = report.map(|report| self.report = report);
                self.agent.ended(outcome, self.now())
            }
            Input::Stored(outcome) => self.agent.stored(outcome),
        };
        self.carry_out(actions, None).await;
    }

    async fn carry_out(&mut self, actions: Vec<Action>, reply: Option<async_nats::Subject>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Answer(answer) => {
                    if let Some(reply) = &reply {
                        self.bus.tell(reply.clone(), answer.to_bytes()).await;
                    }
                }
                Action::AnswerOffer(answer) => {
                    if let Some(reply) = self.offered_by.take() {
                        self.bus.tell(reply, answer.to_bytes()).await;
                    }
                }
                Action::Fetch(run, work) => self.fetch(run, work),
                Action::Check { plan, work } => self.check(plan, work),
                Action::Abandon => self.host.abandon(),
                Action::Watch { plan, watch } => {
                    let said = FromPart(self.inputs.clone());
                    if let Err(reason) = self.host.watch(&plan, watch, said) {
                        actions.extend(self.agent.ended(Err(reason), self.now()));
                    }
                }
                Action::Launch { plan, start } => {
                    let said = FromPart(self.inputs.clone());
                    if let Err(reason) = self.host.launch(&plan, start, said) {
                        actions.extend(self.agent.ended(Err(reason), self.now()));
                    }
                }
                Action::Interrupt => self.host.interrupt(),
                Action::Kill => self.host.kill(),
                Action::Store { run, part } => self.store(&run, part),
                Action::Publish(event) => {
                    let subject = Bus::subject_of_events(&event.run, event.agent.as_str());
                    self.bus.tell(subject, event.to_bytes()).await;
                }
                Action::Announce => drop(self.presence.send(self.agent.presence())),
                Action::Tell(text) => self.host.tell(&text),
            }
        }
    }

    fn fetch(&self, run: RunId, work: Work) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let plan = match bus.get(&store::plan(&run, work), plan::MOST_BYTES).await {
                Ok(Some(plan)) => Ok(plan),
                Ok(None) => Err(format!("there is no plan of run {run} in the store")),
                Err(error) => Err(error.to_string()),
            };
            let _ = inputs.send(Input::Fetched(run, plan));
        });
    }

    fn check(&self, plan: Box<PlanDocument>, work: Work) {
        let (host, inputs) = (Arc::clone(&self.host), self.inputs.clone());
        // Names are looked up and a server is started, which may take seconds.
        tokio::task::spawn_blocking(move || {
            let ready = match work {
                Work::Part { fewest_parts } => host.check(&plan, fewest_parts).map(Ready::Part),
                Work::Server {} => host
                    .serve(&plan)
                    .map(|(serving, length_ns)| Ready::Server { serving, length_ns }),
            };
            let _ = inputs.send(Input::Checked(plan, ready));
        });
    }

    fn store(&mut self, run: &RunId, part: u32) {
        let report = std::mem::take(&mut self.report);
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let name = store::report(run, part);
        tokio::spawn(async move {
            let mut tries = 0;
            let outcome = loop {
                tries += 1;
                match bus.put(&name, &report).await {
                    Ok(()) => break Ok(stored(&report)),
                    Err(error) if tries == STORE_TRIES => break Err(error.to_string()),
                    Err(_) => tokio::time::sleep(STORE_PAUSE).await,
                }
            };
            let _ = inputs.send(Input::Stored(outcome));
        });
    }
}
