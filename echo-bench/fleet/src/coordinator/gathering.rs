//! A run before its start: who is there, who is ready, what their clocks say.

use super::member::{Member, Stage};
use super::{Action, Coordinator, Phase};
use crate::digest::Digest;
use crate::message::{Offer, Order, Presence, Work, printable};
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
        let serves = self.settings.server.as_ref().is_some_and(|server| server.agent == *name);
        // Further agents are free for another run.
        if serves || self.loads().count() < self.settings.agents as usize {
            self.members.insert(name.clone(), Member::new(presence.ticket.clone(), serves));
        }
        let are_enough = self.loads().count() == self.settings.agents as usize;
        if are_enough && self.has_server() { self.complete(now) } else { Vec::new() }
    }

    /// Whether who looks at the server is there, if anybody does.
    fn has_server(&self) -> bool {
        self.settings.server.is_none() || self.server().is_some()
    }

    pub(super) fn offer(&mut self, plan: &Digest) -> Vec<Action> {
        self.phase = Phase::Preparing;
        let parts = self.loads().count() as u32;
        let work = Work::Part { fewest_parts: self.settings.at_least.min(parts).max(1) };
        self.send_to_all(|member| {
            let ticket = member.ticket.clone();
            let offer = Offer { ticket, plan: plan.clone(), work };
            (!member.serves).then_some(Order::Offer(offer))
        })
    }

    /// An agent drops out: before the start it is left out, afterwards its part is lost.
    pub(super) fn dropped(&mut self, agent: &AgentName, reason: &str) -> Vec<Action> {
        if matches!(self.phase, Phase::Keeping | Phase::Running) {
            return self.ended(agent, Stage::Lost, Err(reason.to_owned()));
        }
        if self.members.get(agent).is_some_and(|member| member.serves) {
            return self.without_server(agent, reason);
        }
        self.members.remove(agent);
        self.refused.insert(agent.clone(), reason.to_owned());
        let mut actions = vec![Action::Tell(format!("agent {agent} is left out: {reason}"))];
        let left = self.loads().count();
        if left < self.settings.at_least as usize {
            let reason = format!(
                "{left} of {} agents are ready, and --min-agents is {}: {}",
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
        let loads = self.members.values_mut().filter(|member| !member.serves);
        for (part, member) in (1..).zip(loads) {
            member.part = part;
        }
        vec![Action::Keep(self.roster())]
    }

    pub(super) fn gathered(&mut self, now: Nanos) -> Vec<Action> {
        let present = self.loads().count();
        if let (Some(server), false) = (&self.settings.server, self.has_server()) {
            let agent = &server.agent;
            let seconds = self.settings.wait_ns / SECOND;
            let reason = match self.refused.get(agent) {
                Some(reason) => format!("--server-agent {agent}: {reason}"),
                None => format!(
                    "--server-agent {agent}: no idle agent of that name found after {seconds} s \
                     (start it on the machine of the server: `echo-bench agent --nats URL --name \
                     {agent}`)"
                ),
            };
            return vec![self.finish(Some(reason))];
        }
        if present >= self.settings.at_least.max(1) as usize {
            let mut actions = Vec::new();
            if present < self.settings.agents as usize {
                let told = format!("{present} of {} agents are there", self.settings.agents);
                actions.push(Action::Tell(told));
            }
            actions.extend(self.complete(now));
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
