//! The server of a run that an agent looks at: when it is offered, and when it is let go.

use std::net::SocketAddr;

use super::member::Member;
use super::{Action, Coordinator, Phase, RENEWAL, send};
use crate::digest::Digest;
use crate::message::{Offer, Order, Work};
use crate::{AgentName, Nanos};

impl Coordinator {
    /// Who looks at the server.
    pub(super) fn server(&self) -> Option<(&AgentName, &Member)> {
        self.members.iter().find(|(_, member)| member.serves)
    }

    /// Those that put load on.
    pub(super) fn loads(&self) -> impl Iterator<Item = (&AgentName, &Member)> {
        self.members.iter().filter(|(_, member)| !member.serves)
    }

    /// Goes on once all are there who are waited for: with the server, if it is looked at.
    pub(super) fn complete(&mut self, now: Nanos) -> Vec<Action> {
        self.renew_at = now.saturating_add(RENEWAL);
        let Some(server) = &self.settings.server else { return self.asks_for_plan(None) };
        let (agent, plan) = (server.agent.clone(), server.plan.clone());
        self.phase = Phase::Serving;
        let run = self.settings.run.clone();
        let Some(member) = self.members.get_mut(&agent) else { return Vec::new() };
        let offer = Offer { ticket: member.ticket.clone(), plan, work: Work::Server {} };
        vec![send(&run, &agent, member, Order::Offer(offer))]
    }

    /// The plan names the server, so that it comes after it.
    pub(super) fn asks_for_plan(&mut self, server: Option<SocketAddr>) -> Vec<Action> {
        self.phase = Phase::Planning;
        vec![Action::Plan { server }]
    }

    /// The plan of the parts is in the store, or not.
    pub fn planned(&mut self, plan: Result<Digest, String>) -> Vec<Action> {
        if self.phase != Phase::Planning {
            return Vec::new();
        }
        match plan {
            Ok(plan) => self.offer(&plan),
            Err(reason) => self.give_up(reason),
        }
    }

    /// Keeps the server, which has no end of its own.
    pub(super) fn renew_server(&mut self, now: Nanos) -> Vec<Action> {
        if now < self.renew_at {
            return Vec::new();
        }
        self.renew_at = now.saturating_add(RENEWAL);
        self.send_to_all(|member| {
            (member.serves && !member.stage.is_over()).then_some(Order::Renew {})
        })
    }

    /// Lets the server go once the load is over.
    pub(super) fn let_go(&mut self) -> Vec<Action> {
        let is_loaded = self.loads().any(|(_, member)| !member.stage.is_over());
        if is_loaded || self.phase != Phase::Running || self.has_let_go {
            return Vec::new();
        }
        self.has_let_go = true;
        self.send_to_all(|member| {
            (member.serves && !member.stage.is_over()).then_some(Order::Stop { forced: false })
        })
    }

    /// Without the server there is nothing to load, or no cost of it to know.
    pub(super) fn without_server(&mut self, agent: &AgentName, reason: &str) -> Vec<Action> {
        self.members.remove(agent);
        self.give_up(format!("--server-agent {agent}: {reason}"))
    }

    /// How a loss is told.
    pub(super) fn loss(agent: &AgentName, member: &Member, reason: &str) -> String {
        if member.serves {
            let rest = "the cost of the server is unknown";
            return format!(
                "agent {agent}, which looked at the server, is lost: {reason}; {rest}"
            );
        }
        format!("agent {agent} (part {}) is lost: {reason}", member.part)
    }
}
