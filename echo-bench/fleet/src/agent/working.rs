//! An agent from the plan to the report: what was fetched, checked, carried out and stored, and the
//! time that passes meanwhile.

use super::{ALIVE, Action, Agent, AtWork, Now, Ready, State};
use crate::RunId;
use crate::message::{Happened, Progress, Reply, SERVER, Stored, printable};
use crate::plan::PlanDocument;

impl Agent {
    /// The plan of a run came out of the store, or not.
    pub fn fetched(&mut self, run: &RunId, plan: Result<Vec<u8>, String>) -> Vec<Action> {
        let (State::Offered(offer), true) = (&self.state, self.run() == Some(run)) else {
            return Vec::new();
        };
        let work = offer.work;
        let plan = plan.and_then(|bytes| {
            PlanDocument::read(&bytes, run, &offer.plan, &self.version, work)
                .map_err(|reason| reason.to_string())
        });
        match plan {
            Ok(plan) => vec![Action::Check { plan: Box::new(plan), work }],
            Err(reason) => self.refuse_offer(&reason),
        }
    }

    /// A plan was checked, and its server made ready where that is the work.
    pub fn checked(
        &mut self,
        plan: Box<PlanDocument>,
        ready: Result<Ready, String>,
    ) -> Vec<Action> {
        let is_offered = matches!(self.state, State::Offered(_));
        if !is_offered || self.run() != Some(&plan.run) {
            // The server of a run that was given up before it was on its way. With another run at
            // hand it has had to make room for that one's.
            let is_nobodys = matches!(ready, Ok(Ready::Server { .. })) && self.held.is_none();
            return is_nobodys.then_some(Action::Abandon).into_iter().collect();
        }
        let (reply, length_ns) = match ready {
            Ok(Ready::Part(facts)) if !self.serves() => (Reply::Prepared(facts), None),
            Ok(Ready::Server { serving, length_ns }) if self.serves() => {
                (Reply::Serving(serving), length_ns)
            }
            Ok(_) => return self.refuse_offer("another work was made ready"),
            Err(reason) => return self.refuse_offer(&reason),
        };
        self.state = State::Prepared { plan, length_ns };
        vec![Action::AnswerOffer(self.answer(reply))]
    }

    /// The process says how far it has come.
    pub fn progress(&mut self, seen: Progress) {
        if let State::Started(work) = &mut self.state {
            work.progress = seen;
        }
    }

    /// The process has ended, or the server was looked at long enough: with a report or without.
    pub fn ended(&mut self, outcome: Result<(), String>, now: Now) -> Vec<Action> {
        let State::Started(work) = self.state else { return Vec::new() };
        let Some(run) = self.run().cloned() else { return Vec::new() };
        match outcome {
            Ok(()) => {
                let alive_at = now.monotonic_ns.saturating_add(ALIVE);
                self.state = State::Storing(AtWork { alive_at, ..work });
                vec![Action::Store { run, part: work.part }]
            }
            Err(reason) => {
                self.finish(work.part, Happened::Failed { reason: printable(&reason) })
            }
        }
    }

    /// The report is in the store, or not.
    pub fn stored(&mut self, outcome: Result<Stored, String>) -> Vec<Action> {
        let State::Storing(work) = self.state else { return Vec::new() };
        let what = match outcome {
            Ok(stored) => Happened::Done(stored),
            Err(reason) => Happened::Failed { reason: printable(&reason) },
        };
        self.finish(work.part, what)
    }

    fn finish(&mut self, part: u32, what: Happened) -> Vec<Action> {
        let Some(run) = self.run().cloned() else { return Vec::new() };
        let work = match part {
            SERVER => "the look at the server".to_owned(),
            part => format!("part {part}"),
        };
        let told = match &what {
            Happened::Failed { reason } => format!("run {run}: {work} failed: {reason}"),
            _ => format!("run {run}: {work} is done, its report is in the store"),
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
        let lease_until = self.held.as_ref().map_or(0, |held| held.lease_until);
        let is_silent = now.monotonic_ns >= lease_until;
        let run = self.run().cloned();
        match (&mut self.state, run) {
            (State::Offered(_) | State::Prepared { .. }, Some(run)) if is_silent => {
                let told = format!("run {run}: its coordinator is silent; ready for another");
                actions.push(Action::Tell(told));
                actions.extend(self.idle());
            }
            (State::Started(work) | State::Storing(work), Some(run))
                if now.monotonic_ns >= work.alive_at =>
            {
                work.alive_at = now.monotonic_ns.saturating_add(ALIVE);
                let AtWork { part, progress, .. } = *work;
                let over =
                    work.kept_until.filter(|until| is_silent && now.monotonic_ns >= *until);
                if over.is_some() {
                    // Once.
                    work.kept_until = None;
                    let told =
                        format!("run {run}: its coordinator is silent; the server is let go");
                    actions.extend([Action::Tell(told), Action::Interrupt]);
                }
                let alive = self.event(run, part, Happened::Alive(progress));
                actions.push(Action::Publish(alive));
            }
            _ => {}
        }
        actions
    }
}
