//! A run before its start: who is there, who is ready, what their clocks say.

use super::member::{Member, Stage};
use super::{Action, Coordinator, Phase, RENEWAL};
use crate::message::{Offer, Order, Presence, printable};
use crate::wire::shortened;
use crate::{AgentName, Nanos, SECOND};

impl Coordinator {
    /// An agent stands in the table.
    pub fn present(&mut self, presence: &Presence, now: Nanos) -> Vec<Action> {
        let name = &presence.agent;
        let known = self.members.contains_key(name) || self.refused.contains_key(name);
        if self.phase != Phase::Gathering || known || presence.run.is_some() {
            return Vec::new();
        }
        if presence.version != self.settings.version {
            let reason = format!(
                "version {}, and this program is {} (install the same build)",
                shortened(&printable(&presence.version)),
                self.settings.version
            );
            let told = Action::Tell(format!("agent {name} is left out: {reason}"));
            self.refused.insert(name.clone(), reason);
            return vec![told];
        }
        self.members.insert(name.clone(), Member::new(presence.ticket.clone()));
        if self.members.len() < self.settings.agents as usize {
            return Vec::new();
        }
        self.offer(now)
    }

    pub(super) fn offer(&mut self, now: Nanos) -> Vec<Action> {
        self.phase = Phase::Preparing;
        self.renew_at = now.saturating_add(RENEWAL);
        let fewest_parts = self.settings.at_least.min(self.members.len() as u32).max(1);
        let plan = self.settings.plan.clone();
        self.send_to_all(|member| {
            let ticket = member.ticket.clone();
            Some(Order::Offer(Offer { ticket, plan: plan.clone(), fewest_parts }))
        })
    }

    /// An agent drops out: before the start it is left out, afterwards its part is lost.
    pub(super) fn dropped(&mut self, agent: &AgentName, reason: &str) -> Vec<Action> {
        if matches!(self.phase, Phase::Keeping | Phase::Running) {
            return self.ended(agent, Stage::Lost, Err(reason.to_owned()));
        }
        self.members.remove(agent);
        self.refused.insert(agent.clone(), reason.to_owned());
        let mut actions = vec![Action::Tell(format!("agent {agent} is left out: {reason}"))];
        if self.members.len() < self.settings.at_least as usize {
            let reason = format!(
                "{} of {} agents are ready, and --min-agents is {}: {}",
                self.members.len(),
                self.settings.agents,
                self.settings.at_least,
                self.reasons(),
            );
            actions.extend(self.give_up(reason));
        } else if self.phase == Phase::Timing {
            actions.extend(self.timed(0));
        } else {
            actions.extend(self.settled());
        }
        actions
    }

    fn reasons(&self) -> String {
        let each = self.refused.iter().map(|(agent, reason)| format!("{agent}: {reason}"));
        each.collect::<Vec<_>>().join("; ")
    }

    /// Goes on if everybody has answered the offer.
    pub(super) fn settled(&mut self) -> Vec<Action> {
        let are_ready = self.members.values().all(|member| member.stage == Stage::Prepared);
        if self.phase != Phase::Preparing || !are_ready {
            return Vec::new();
        }
        self.phase = Phase::Timing;
        self.send_to_all(|_| Some(Order::Clock {}))
    }

    /// Goes on if every clock is measured; `wall_ns` is the time of day, or 0 where the last
    /// answer is known to have been earlier.
    pub(super) fn timed(&mut self, wall_ns: u64) -> Vec<Action> {
        self.start_at_ns = self.start_at_ns.max(wall_ns.saturating_add(self.settings.lead_ns));
        let are_timed = self.members.values().all(|member| member.clocks.are_enough());
        if self.phase != Phase::Timing || !are_timed {
            return Vec::new();
        }
        self.phase = Phase::Keeping;
        for (part, member) in (1..).zip(self.members.values_mut()) {
            member.part = part;
        }
        vec![Action::Keep(self.roster())]
    }

    pub(super) fn gathered(&mut self, now: Nanos) -> Vec<Action> {
        let present = self.members.len();
        if present >= self.settings.at_least.max(1) as usize {
            let told = format!("{present} of {} agents are there", self.settings.agents);
            let mut actions = vec![Action::Tell(told)];
            actions.extend(self.offer(now));
            return actions;
        }
        let left_out = if self.refused.is_empty() {
            String::new()
        } else {
            format!("; left out: {}", self.reasons())
        };
        let reason = format!(
            "--agents {}: {present} idle agents found after {} s (start more with `echo-bench \
             agent --nats URL`, or lower --min-agents){left_out}",
            self.settings.agents,
            self.settings.wait_ns / SECOND,
        );
        vec![self.finish(Some(reason))]
    }
}
