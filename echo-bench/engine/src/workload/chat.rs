//! The members of a chat room: [`Chat`]. Each joins under a name, says something when the
//! schedule wants it, and hears what the others say. What is measured is the delivery: from
//! the instant at which a message was due to its arrival at a member.
//!
//! One thread drives all members, since every message is heard by all of them.

use echo_client::pool::PoolCounts;
use echo_net::Nanos;
use echo_net::reactor::Reactor;

use self::deliveries::Deliveries;
use self::lines::{Heard, Member};
use crate::plan::Plan;
use crate::record::{FailureKind, FirstOffender};
use crate::rig::{Asked, Demand, Ending, Loss, Opening, Parts, Window, Wire, Workload};

mod deliveries;
mod lines;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Chat {
    members: Vec<Member>,
    /// Members below this number only join.
    deaf: u32,
    deliveries: Deliveries,
    /// Deliveries of the window whose speaker or listener was gone: when the message was due, and
    /// how many.
    unsaid: Vec<(Nanos, u64)>,
    /// Reused: a message, and the line that it is said in.
    text: Vec<u8>,
    line: Vec<u8>,
}

impl Chat {
    /// Of all members of the plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            members: (0..plan.connections).map(|number| Member::new(number, plan)).collect(),
            deaf: plan.connections - plan.speakers(),
            deliveries: Deliveries::new(plan.connections as usize),
            unsaid: Vec::new(),
            text: Vec::new(),
            line: Vec::new(),
        }
    }

    fn speak<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, speaker: u32, intended: Nanos) {
        let measured = parts.window.contains(intended);
        let reason = if !parts.wire.is_up(speaker) {
            Some("a message of a member who is gone")
        } else if parts.is_unread(speaker, 1) {
            Some("earlier messages of the member are not sent yet: server or link is too slow")
        } else {
            None
        };
        if let Some(reason) = reason {
            let audience = self.deliveries.audience(speaker) + self.deliveries.gone(speaker);
            if measured {
                self.miss(parts, speaker, intended, audience, reason);
            }
            return;
        }
        parts.messages.write(speaker, self.deliveries.next(speaker), &mut self.text);
        self.line.extend_from_slice(&self.text);
        self.line.push(b'\n');
        let written = parts.reactor.now();
        self.deliveries.said(speaker, (intended, written), measured, parts.ledger);
        if measured {
            parts.ledger.late(intended, written.saturating_sub(intended));
            let gone = self.deliveries.gone(speaker);
            self.miss(parts, speaker, intended, gone, "a message to a member who is gone");
        }
        self.say(parts, speaker, written);
    }

    /// So many deliveries are due, as if nobody had been lost, and can't be made.
    fn miss<R: Reactor>(
        &mut self,
        parts: &mut Parts<'_, R>,
        speaker: u32,
        intended: Nanos,
        deliveries: u64,
        reason: &str,
    ) {
        if deliveries > 0 {
            parts.ledger.schedule(deliveries, intended);
            self.unsaid.push((intended, deliveries));
            parts.ledger.list_ended(speaker, FailureKind::Unsent, deliveries, || reason.into());
        }
    }

    /// Sends the line.
    fn say<R: Reactor>(&mut self, parts: &mut Parts<'_, R>, speaker: u32, now: Nanos) {
        parts.send(speaker, &mut self.line, &mut Vec::new(), now);
        self.line.clear();
    }
}

impl<R: Reactor> Workload<R> for Chat {
    const REDIALS: bool = false;

    fn demand(&self, plan: &Plan, start: Nanos) -> Option<Demand> {
        let speakers = plan.speakers();
        Demand::new(plan, 0..speakers, speakers, start)
    }

    /// Asks to be let in.
    fn opened(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Opening {
        self.line.extend_from_slice(self.members[link as usize].introduction().as_bytes());
        let now = parts.now;
        self.say(parts, link, now);
        Opening::Introduced
    }

    fn is_introduced(&self, link: u32) -> bool {
        self.members[link as usize].has_joined()
    }

    fn ready(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        parts.wire.prove(link);
        if link < self.deaf {
            parts.wire.pause(parts.reactor, link);
        } else {
            self.deliveries.listen(link);
        }
    }

    fn begin(&mut self, _parts: &mut Parts<'_, R>) {}

    /// Has every member whose turn it is say its message.
    fn due(&mut self, parts: &mut Parts<'_, R>) {
        let horizon = parts.now.min(parts.window.end().saturating_sub(1));
        while let Some(demand) = parts.demand.as_mut()
            && let Some(turn) = demand.pop_due(horizon)
        {
            let intended = demand.peek(turn);
            demand.advance(turn);
            demand.put_back(turn);
            // The first members are the deaf ones, who have nothing to say.
            self.speak(parts, self.deaf + turn, intended);
        }
    }

    fn arrived(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: &[u8],
    ) -> Result<(), Loss> {
        let Self { members, deliveries, .. } = self;
        let (ledger, messages, at) = (&mut *parts.ledger, parts.messages, parts.now);
        let heard = members[link as usize].hear(bytes, |heard| match heard {
            Heard::Text { speaker, body } => {
                deliveries.heard(link, speaker, body, messages, at, ledger);
            }
            Heard::Error(text) => {
                ledger.list(FailureKind::ErrorReply, at, || {
                    FirstOffender::of_connection(link, text.escape_ascii().to_string())
                });
            }
        });
        ledger.settle();
        heard.map_err(|too_long| Loss::Malformed(too_long.into()))
    }

    fn lost(&mut self, parts: &mut Parts<'_, R>, link: u32, loss: &Loss) {
        // That is what a server should do to a client that never reads.
        if link < self.deaf {
            return;
        }
        let (kind, ending) = loss.counts_as();
        let missed = self.deliveries.lose(link, parts.now, parts.ledger, ending);
        parts.ledger.list_loss(kind, missed, parts.now, || {
            let detail = format!("{loss}, deliveries missed: {missed}");
            FirstOffender::of_connection(link, detail)
        });
    }

    fn is_expecting(&self, _wire: &Wire, _demand: Option<&Demand>, _now: Nanos) -> bool {
        self.deliveries.outstanding() > 0
    }

    fn is_unfinished(&self, _window: &Window, _demand: Option<&Demand>) -> bool {
        self.deliveries.outstanding() > 0
    }

    fn conclude(&mut self, parts: &mut Parts<'_, R>) -> Option<PoolCounts> {
        for link in 0..parts.wire.len() {
            let missing =
                self.deliveries.deafen(link, parts.now, parts.ledger, Ending::InFlight);
            parts.ledger.list_ended(link, FailureKind::InFlight, missing, || {
                "not delivered when the drain ended".into()
            });
        }
        for (intended, audience) in self.unsaid.drain(..) {
            let asked = Asked { intended, ready: parts.now, written: None, measured: true };
            // Of no listener, since somebody was not there to say or to hear it.
            for _ in 0..audience {
                parts.ledger.end(u32::MAX, &asked, Ending::Unsent, parts.now);
            }
        }
        None
    }
}
