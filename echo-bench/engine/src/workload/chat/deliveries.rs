//! Who has said what, and who has heard it: [`Deliveries`]. Pure: no clock, no socket.
//!
//! A delivery is one message at one member. Each is expected from the instant that its
//! message is sent, at every member who listens then, and ends in exactly one way.

use std::collections::BTreeSet;

use echo_net::Nanos;

use crate::messages::{Deviation, Messages};
use crate::record::{Difference, FailureKind, FirstOffender};
use crate::rig::{Asked, Ending, Ledger};

/// A message that was sent.
#[derive(Debug, Clone, Copy)]
struct Said {
    intended: Nanos,
    written: Nanos,
    /// Whether it belongs to the measured window.
    measured: bool,
}

impl Said {
    fn asked(self) -> Asked {
        let Self { intended, written, measured } = self;
        // Whoever speaks has no slot to wait for.
        Asked { intended, ready: intended, written: Some(written), measured }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Deliveries {
    members: usize,
    /// What each member has said, in order.
    said: Vec<Vec<Said>>,
    /// For each listener and speaker, how many of the speaker's messages are settled.
    settled: Vec<u32>,
    /// Who listens.
    listens: Vec<bool>,
    listeners: u64,
    /// Who listened and was lost.
    lost: BTreeSet<u32>,
    /// Deliveries of measured messages that have not ended.
    outstanding: u64,
    /// Deliveries that were passed over and have not ended: listener, speaker, message. Grows
    /// with faults only.
    passed_over: BTreeSet<(u32, u32, u32)>,
}

impl Deliveries {
    /// Of so many members, none of whom listens yet.
    pub(super) fn new(members: usize) -> Self {
        Self {
            members,
            said: vec![Vec::new(); members],
            settled: vec![0; members * members],
            listens: vec![false; members],
            listeners: 0,
            lost: BTreeSet::new(),
            outstanding: 0,
            passed_over: BTreeSet::new(),
        }
    }

    /// A member listens from now on. Nothing may have been said before.
    pub(super) fn listen(&mut self, member: u32) {
        if !std::mem::replace(&mut self.listens[member as usize], true) {
            self.listeners += 1;
        }
    }

    /// Deliveries of measured messages that have not ended.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The number of a member's next message.
    pub(super) fn next(&self, speaker: u32) -> u64 {
        self.said[speaker as usize].len() as u64
    }

    /// Members who hear what `speaker` says.
    pub(super) fn audience(&self, speaker: u32) -> u64 {
        self.listeners - u64::from(self.listens[speaker as usize])
    }

    /// Members who would hear what `speaker` says, had they not been lost.
    pub(super) fn gone(&self, speaker: u32) -> u64 {
        self.lost.len() as u64 - u64::from(self.lost.contains(&speaker))
    }

    /// A message was sent.
    pub(super) fn said(
        &mut self,
        speaker: u32,
        (intended, written): (Nanos, Nanos),
        measured: bool,
        ledger: &mut Ledger,
    ) {
        let audience = self.audience(speaker);
        ledger.waited(audience, intended, written);
        ledger.wrote(audience, written);
        if measured {
            ledger.schedule(audience, intended);
            self.outstanding += audience;
        }
        self.said[speaker as usize].push(Said { intended, written, measured });
    }

    /// A text of `speaker` has reached `listener`.
    pub(super) fn heard(
        &mut self,
        listener: u32,
        speaker: u32,
        body: &[u8],
        messages: &Messages,
        at: Nanos,
        ledger: &mut Ledger,
    ) {
        // Nobody hears himself, and a server may say what it likes.
        if listener == speaker || speaker as usize >= self.members {
            let detail = format!("text of member {speaker}");
            return ledger.list(FailureKind::Unsolicited, at, || {
                FirstOffender::of_connection(listener, detail)
            });
        }
        if !self.listens[listener as usize] {
            return;
        }
        let next = u64::from(self.settled[self.place(listener, speaker)]);
        let mut author = speaker;
        let (number, wrong) = match messages.check(speaker, next, body) {
            Ok(()) => (next, None),
            Err(Deviation::Elsewhere { request }) => (request, None),
            // The stamp names the delivery: that of the name that it came under may follow.
            Err(Deviation::Foreign { connection, request }) => {
                author = connection;
                let detail = format!("text of member {connection} under another name");
                (request, Some((FailureKind::Foreign, detail)))
            }
            Err(deviation) => {
                let kind = match deviation {
                    Deviation::Truncated => FailureKind::Truncated,
                    Deviation::Extended => FailureKind::Extended,
                    _ => FailureKind::Corrupt,
                };
                (next, Some((kind, format!("from member {speaker}"))))
            }
        };
        let offender = |detail: String| FirstOffender {
            connection: listener,
            request: Some(number),
            detail,
            difference: None,
        };
        if author == listener || author as usize >= self.members {
            let detail = format!("text of member {author} under another name");
            return ledger.list(FailureKind::Unsolicited, at, || offender(detail));
        }
        let speaker = author;
        if number >= self.next(speaker) {
            let detail = format!("member {speaker} never said it");
            return ledger.list(FailureKind::Unsolicited, at, || offender(detail));
        }
        // Below the count of what was said, which has 32 bits.
        let number = number as u32;
        let place = self.place(listener, speaker);
        let next = self.settled[place];
        if number < next {
            let late = self.passed_over.remove(&(listener, speaker, number));
            let detail = format!("from member {speaker}");
            if !late {
                return ledger.list(FailureKind::Duplicated, at, || offender(detail));
            }
            let kind = wrong.map_or(FailureKind::Reordered, |(kind, _)| kind);
            let asked = self.said[speaker as usize][number as usize].asked();
            ledger.list_of(&asked, kind, at, || offender(detail));
            self.end((listener, speaker), number, at, ledger, Ending::Mismatch);
            return;
        }
        // Late or lost: which of them, only time shows.
        self.passed_over.extend((next..number).map(|skipped| (listener, speaker, skipped)));
        self.settled[place] = number + 1;
        let said = self.said[speaker as usize][number as usize];
        if let Some((kind, detail)) = wrong {
            let mut expected = Vec::new();
            messages.write(speaker, number.into(), &mut expected);
            ledger.list_of(&said.asked(), kind, at, || FirstOffender {
                difference: Some(Difference::between(&expected, body)),
                ..offender(detail)
            });
            self.end((listener, speaker), number, at, ledger, Ending::Mismatch);
            return;
        }
        self.outstanding -= u64::from(said.measured);
        ledger.succeed(listener, &said.asked(), 1, at);
    }

    fn place(&self, listener: u32, speaker: u32) -> usize {
        listener as usize * self.members + speaker as usize
    }

    /// A member was lost: see [`deafen`](Self::deafen).
    pub(super) fn lose(
        &mut self,
        listener: u32,
        at: Nanos,
        ledger: &mut Ledger,
        ending: Ending,
    ) -> u64 {
        if self.listens[listener as usize] {
            self.lost.insert(listener);
        }
        self.deafen(listener, at, ledger, ending)
    }

    /// A member hears nothing any more; its missing deliveries end as `ending` says, and those
    /// that were passed over as lost. How many deliveries were missing.
    pub(super) fn deafen(
        &mut self,
        listener: u32,
        at: Nanos,
        ledger: &mut Ledger,
        ending: Ending,
    ) -> u64 {
        if !std::mem::replace(&mut self.listens[listener as usize], false) {
            return 0;
        }
        self.listeners -= 1;
        let mut missing = 0;
        for speaker in (0..self.members as u32).filter(|&speaker| speaker != listener) {
            let place = self.place(listener, speaker);
            let said = self.said[speaker as usize].len() as u32;
            for number in self.settled[place]..said {
                let counts = self.end((listener, speaker), number, at, ledger, ending);
                missing += u64::from(counts);
            }
            self.settled[place] = said;
        }
        let rest = self.passed_over.split_off(&(listener, 0, 0));
        for passed in rest {
            if passed.0 != listener {
                self.passed_over.insert(passed);
                continue;
            }
            let (_, speaker, number) = passed;
            let asked = self.said[speaker as usize][number as usize].asked();
            ledger.list_of(&asked, FailureKind::Dropped, at, || FirstOffender {
                connection: listener,
                request: Some(number.into()),
                detail: format!("from member {speaker}; a later one came first"),
                difference: None,
            });
            self.end((listener, speaker), number, at, ledger, Ending::Unmatched);
        }
        missing
    }

    /// A delivery ended without success: it was given up at an instant, or came and was wrong.
    /// A wrong one has no latency, not even a lower bound. Whether it counts.
    fn end(
        &mut self,
        (listener, speaker): (u32, u32),
        number: u32,
        at: Nanos,
        ledger: &mut Ledger,
        ending: Ending,
    ) -> bool {
        let said = self.said[speaker as usize][number as usize];
        self.outstanding -= u64::from(said.measured);
        ledger.end(listener, &said.asked(), ending, at)
    }
}

#[cfg(test)]
mod tests;
