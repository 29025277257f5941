//! A run from its start on: what agents say of it, who is lost, and how it ends.

use super::member::{Member, Stage};
use super::{Action, Coordinator, End, OnLoss, Outcome, Phase, RENEWAL, SILENCE};
use crate::message::{self, Event, Happened, Order, Progress, Stored, printable};
use crate::{AgentName, Nanos, SECOND};

impl Coordinator {
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
    pub(super) fn ended(
        &mut self,
        agent: &AgentName,
        stage: Stage,
        result: Result<Stored, String>,
    ) -> Vec<Action> {
        let Some(member) = self.members.get_mut(agent) else { return Vec::new() };
        member.stage = stage;
        let mut actions = Vec::new();
        if let Err(reason) = &result {
            let lost = Self::loss(agent, member, reason);
            actions.push(Action::Tell(lost.clone()));
            if self.settings.on_loss == OnLoss::Abort && self.aborted.is_none() {
                self.aborted = Some(lost);
                actions.extend(self.stop_all(false));
            }
        }
        if let Some(member) = self.members.get_mut(agent) {
            member.result = Some(result);
        }
        actions.extend(self.let_go());
        actions.extend(self.finished());
        actions
    }

    /// Stops the load; the server follows once that is over.
    fn stop_all(&mut self, forced: bool) -> Vec<Action> {
        let has_let_go = self.has_let_go;
        self.send_to_all(|member| {
            let is_meant = !member.serves || has_let_go;
            (is_meant && !member.stage.is_over()).then_some(Order::Stop { forced })
        })
    }

    fn finished(&mut self) -> Option<Action> {
        let is_over = self.members.values().all(|member| member.stage.is_over());
        (self.phase == Phase::Running && is_over).then(|| self.finish(None))
    }

    pub(super) fn finish(&mut self, failure: Option<String>) -> Action {
        self.phase = Phase::Finished;
        let roster = self.roster();
        let end = |member: message::Member| {
            let result = self.members.get(&member.agent)?.result.clone()?;
            Some(End { member, result })
        };
        Action::Finish(Outcome {
            ends: roster.members.into_iter().filter_map(end).collect(),
            server: roster.server.and_then(end),
            failure,
            aborted: self.aborted.take(),
            interrupted: self.interrupted,
        })
    }

    /// Ends the run before its start.
    pub(super) fn give_up(&mut self, reason: String) -> Vec<Action> {
        // Who was asked nothing has nothing to forget.
        let mut actions =
            self.send_to_all(|member| (member.sequence > 0).then_some(Order::Release {}));
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
                let mut actions = self.renew_server(now);
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
        self.loads().filter(|(_, member)| !member.stage.is_over()).count() as u32
    }

    /// Whether the parts were told to start.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
}
