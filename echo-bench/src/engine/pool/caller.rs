//! One caller: [`Caller`] has one request at a time, and waits for its connection and for
//! its reply.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use echo_client::SessionError;
use echo_net::Nanos;
use echo_net::alarm::Alarm;
use echo_net::clock::{self, MILLISECOND};
use echo_proto::Outcome;

use super::books::{Books, Ended};
use super::source::{Source, kind_of};
use crate::engine::misdirected::Misdirected;
use crate::engine::timeline::Timeline;
use crate::messages::{Deviation, Messages};
use crate::plan::Plan;
use crate::record::{Difference, FailureKind, difference_in_words};

/// How long a caller of a closed loop pauses when there was no connection to be had, so that
/// a server that is gone is not called as fast as the machine can.
const PAUSE: Nanos = 50 * MILLISECOND;

/// See the [module](self).
pub(super) struct Caller {
    number: u32,
    plan: Arc<Plan>,
    /// An address of the server, to name it by.
    address: SocketAddr,
    messages: Arc<Messages>,
    source: Rc<Source>,
    books: Rc<RefCell<Books>>,
    start: Nanos,
    open: bool,
    alarm: Alarm,
    text: Vec<u8>,
    reply: Vec<u8>,
}

impl Caller {
    pub(super) fn new(
        number: u32,
        plan: &Arc<Plan>,
        messages: &Arc<Messages>,
        source: Rc<Source>,
        books: Rc<RefCell<Books>>,
        timeline: &Timeline,
    ) -> io::Result<Self> {
        Ok(Self {
            number,
            plan: Arc::clone(plan),
            address: source.destinations().route(0).target,
            messages: Arc::clone(messages),
            source,
            books,
            start: timeline.start,
            open: plan.load.is_open(),
            alarm: Alarm::new()?,
            text: Vec::new(),
            reply: Vec::new(),
        })
    }

    /// Calls until the window has ended.
    pub(super) async fn work(mut self) -> io::Result<()> {
        self.alarm.wait_until(self.start).await?;
        loop {
            let due = self.books.borrow().next_due(self.number);
            // Who was held up by the request before is not late by our own fault.
            let was_free = due.is_some_and(|due| clock::now() < due);
            if let Some(due) = due {
                self.alarm.wait_until(due).await?;
            }
            let called = clock::now();
            if !self.books.borrow_mut().call(self.number, called, was_free) {
                return Ok(());
            }
            if !self.ask().await && !self.open {
                self.alarm.wait_until(clock::now() + PAUSE).await?;
            }
        }
    }

    /// One request; whether there was a connection for it.
    async fn ask(&mut self) -> bool {
        let mut loan = match self.source.acquire().await {
            Ok(loan) => loan,
            Err(error) => {
                let kind = kind_of(&error);
                let ended = match kind {
                    // Without a socket of ours the server was not even asked.
                    FailureKind::Unsent | FailureKind::NoSocket => Ended::Unsent,
                    _ => Ended::Refused,
                };
                let mut books = self.books.borrow_mut();
                books.end(self.number, clock::now(), ended);
                books.blame(self.number, kind, error.to_string(), None);
                return false;
            }
        };
        let request = {
            let mut books = self.books.borrow_mut();
            if self.source.is_new(&loan) {
                books.connected(&loan);
            }
            books.write(self.number, clock::now())
        };
        self.messages.write(self.number, request, &mut self.text);
        let before = loan.traffic();
        let answered = loan.request(&self.text, &mut self.reply).await;
        let now = clock::now();
        self.books.borrow_mut().moved(now, before, loan.traffic());
        self.settle(request, answered, now);
        let mut books = self.books.borrow_mut();
        if !books.is_proven()
            && let Some(seen) = Misdirected::other(self.address, &self.plan, loan.opening())
        {
            books.misdirect(seen);
        }
        drop(books);
        self.source.release(loan);
        true
    }

    fn settle(&self, request: u64, answered: Result<Outcome, SessionError>, now: Nanos) {
        let mut books = self.books.borrow_mut();
        let outcome = match answered {
            Ok(outcome) => outcome,
            Err(error) => {
                let (kind, ended) = match &error {
                    SessionError::Closed(_) => (FailureKind::Closed, Ended::Closed),
                    SessionError::NoReply { .. } => (FailureKind::Timeout, Ended::Timeout),
                    SessionError::Malformed { reason, .. } if reason.is_limit() => {
                        (FailureKind::TooLong, Ended::Mismatch)
                    }
                    SessionError::Malformed { .. } | SessionError::SpeaksTls(_) => {
                        (FailureKind::Malformed, Ended::Mismatch)
                    }
                    _ => (FailureKind::Reset, Ended::Reset),
                };
                if matches!(error, SessionError::SpeaksTls(_)) {
                    books.misdirect(Misdirected::tls(self.address));
                }
                books.end(self.number, now, ended);
                return books.blame(self.number, kind, error.to_string(), None);
            }
        };
        let checked = self.messages.check(self.number, request, &self.reply);
        match (outcome, checked) {
            (Outcome::Echo, Ok(())) => books.end(self.number, now, Ended::Ok),
            (Outcome::Error, _) => {
                books.end(self.number, now, Ended::Error);
                let said = self.reply.escape_ascii().to_string();
                books.blame(self.number, FailureKind::ErrorReply, said, None);
            }
            (_, checked) => {
                books.end(self.number, now, Ended::Mismatch);
                let kind = checked.err().map_or(FailureKind::Malformed, kind_of_reply);
                let difference = Difference::between(&self.text, &self.reply);
                let detail = difference_in_words(&self.text, &self.reply);
                books.blame(self.number, kind, detail, Some(difference));
            }
        }
    }
}

fn kind_of_reply(deviation: Deviation) -> FailureKind {
    match deviation {
        Deviation::Corrupt => FailureKind::Corrupt,
        Deviation::Truncated => FailureKind::Truncated,
        Deviation::Extended => FailureKind::Extended,
        // Of another caller, who had the connection before.
        Deviation::Foreign { .. } => FailureKind::Foreign,
        // One request at a time: an earlier one was answered again.
        Deviation::Elsewhere { .. } => FailureKind::Duplicated,
    }
}
