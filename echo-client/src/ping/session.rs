//! One connection of a ping, with or without TLS: [`PingSession`] sends requests when they are
//! due and reports replies, until it is over or broken. Does not reconnect.

use std::io;
use std::time::{Duration, Instant};

use echo_net::stream::Stream;
use echo_net::tls::{Fault, Transform, is_alert};
use echo_proto::{Opening, Outcome, Reply, Request as _, Requester};
use tokio::time::timeout;

use super::sequence::{Answered, Sequence};
use super::{Loss, PingError, PingEvent, PingPlan, Said, at};
use crate::error::words;
use crate::link::Link;
use crate::secure::Secure;

/// Read buffer size in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// Maximum unsent bytes, in addition to one message.
const UNREAD: usize = 256 * 1024;

/// Maximum number of unanswered requests before the connection is abandoned.
const UNANSWERED: usize = 10_000;

/// How long what the server said last may take to be read.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The reason after a graceful close by the server.
const CLOSED: &str = "the server closed the connection";

/// See the [module](self).
pub(super) struct PingSession {
    stream: Stream,
    tls: Option<Transform>,
    requester: Requester,
    /// The server's first bytes.
    opening: Opening,
    /// Unsent bytes.
    unsent: Vec<u8>,
    buffer: Vec<u8>,
    /// Received bytes that were not decoded yet.
    plaintext: Vec<u8>,
    /// Whether nothing was received yet.
    is_new: bool,
    /// Whether a reply was received.
    answered: bool,
    /// The server refused our certificate, or that we have none.
    refused: Option<Fault>,
}

/// Whether nothing was read, and the connection is fine.
fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl PingSession {
    pub(super) fn new(plan: &PingPlan, Link { stream, tls, .. }: Link) -> Self {
        let limit = plan.options.max_message.max(plan.size);
        let (tls, plaintext) = match tls {
            Some(Secure { transform, early, .. }) => (Some(transform), early),
            None => (None, Vec::new()),
        };
        Self {
            stream,
            tls,
            requester: plan
                .options
                .protocol
                .requester(limit)
                .for_http_host(&plan.options.http_host),
            opening: Opening::default(),
            unsent: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            plaintext,
            is_new: true,
            answered: false,
            refused: None,
        }
    }

    /// Why the server refused our certificate, or that we have none, if it did.
    pub(super) fn take_refusal(&mut self) -> Option<Fault> {
        self.refused.take()
    }

    /// Whether a reply was received.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Runs until the sequence is over (`None`) or the connection is unusable (the reason).
    pub(super) async fn talk(
        &mut self,
        plan: &PingPlan,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
    ) -> Result<Option<String>, PingError> {
        let timeout = plan.options.timeout;
        // Bytes received with the handshake.
        let mut ended = self.settle(plan, Instant::now(), sequence, tell)?;
        while ended.is_none() {
            if let Err(error) = self.send_due(plan, sequence, tell)? {
                return Ok(Some(self.last_word(&error).await));
            }
            for number in sequence.expire(Instant::now(), timeout) {
                tell(PingEvent::Lost(number, Loss::Timeout))?;
            }
            if sequence.is_over() {
                return Ok(None);
            }
            if sequence.unanswered() > UNANSWERED {
                return Ok(Some(format!("{UNANSWERED} requests are unanswered")));
            }
            let received = tokio::select! {
                ready = self.stream.readable() => ready.and_then(|()| self.read()),
                ready = self.stream.writable(), if !self.unsent.is_empty() => {
                    match ready.and_then(|()| self.write()) {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    }
                }
                () = at(sequence.next_event(timeout)) => continue,
            };
            let arrived = Instant::now();
            ended = match received {
                Ok(None) => None,
                Ok(Some(length)) => {
                    let over = self.unseal(length);
                    let settled = self.settle(plan, arrived, sequence, tell)?;
                    if settled.is_none() && over.as_deref() == Some(CLOSED) {
                        self.end(plan, arrived, sequence, tell)?;
                    }
                    settled.or(over)
                }
                Err(error) => Some(words(&error)),
            };
        }
        Ok(ended)
    }

    /// Writing failed: what the server said before it broke the connection, if that is a refusal
    /// of the client certificate.
    async fn last_word(&mut self, error: &io::Error) -> String {
        if self.tls.is_some()
            && timeout(LAST_WORD, self.stream.readable()).await.is_ok()
            && let Ok(Some(length)) = self.read()
        {
            self.unseal(length);
        }
        match &self.refused {
            Some(fault) => fault.to_string(),
            None => words(error),
        }
    }

    /// Sends due requests; the inner error is the connection's.
    fn send_due(
        &mut self,
        plan: &PingPlan,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
    ) -> Result<io::Result<()>, PingError> {
        while let Some(number) = sequence.take(Instant::now()) {
            if self.unsent.len() > UNREAD {
                tell(PingEvent::Lost(number, Loss::Unread))?;
                continue;
            }
            self.queue(number, &plan.message(number));
            sequence.sent(number, Instant::now());
            if let Err(error) = self.write() {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Adds a request to the next write.
    fn queue(&mut self, number: u64, message: &[u8]) {
        let Some(tls) = &mut self.tls else {
            return self.requester.encode(number, message, &mut self.unsent);
        };
        let mut wire = Vec::new();
        self.requester.encode(number, message, &mut wire);
        tls.send(&wire, &mut self.unsent);
    }

    /// Writes as much as the kernel accepts.
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads; `None` if there is nothing to read.
    fn read(&mut self) -> io::Result<Option<usize>> {
        match self.stream.try_read(&mut self.buffer) {
            Err(error) if is_to_be_repeated(&error) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Adds the bytes just read to those to be decoded; returns the reason if none follow.
    fn unseal(&mut self, length: usize) -> Option<String> {
        let Self { tls, buffer, plaintext, unsent, is_new, refused, .. } = self;
        let input = &buffer[..length];
        let Some(tls) = tls else {
            if std::mem::take(is_new) && is_alert(input) {
                return Some("the server seems to speak TLS (try --tls)".to_owned());
            }
            plaintext.extend_from_slice(input);
            return (length == 0).then(|| CLOSED.to_owned());
        };
        let received = match length {
            0 => tls.end_of_input(),
            _ => tls.receive_all(input, |piece| plaintext.extend_from_slice(piece)),
        };
        tls.take_output(unsent);
        match received {
            Err(fault) => {
                let reason = fault.to_string();
                *refused = Some(fault).filter(|fault| matches!(fault, Fault::ClientRefused(_)));
                Some(reason)
            }
            Ok(()) => tls.is_input_over().then(|| CLOSED.to_owned()),
        }
    }

    /// Reports the replies that are complete; returns the reason if the connection is unusable.
    fn settle(
        &mut self,
        plan: &PingPlan,
        arrived: Instant,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
    ) -> Result<Option<String>, PingError> {
        if self.plaintext.is_empty() {
            return Ok(None);
        }
        self.opening.hear(&self.plaintext);
        let (mut told, unanswered) = (Ok(()), sequence.unanswered());
        let decoded = self.requester.decode(&self.plaintext, |reply| {
            if told.is_ok() {
                told = tell(event(plan, reply, sequence.answered(arrived).as_ref()));
            }
        });
        self.plaintext.clear();
        told?;
        self.answered |= sequence.unanswered() < unanswered;
        let speaks = self.opening.unlike(plan.options.protocol.into());
        let remedy = speaks.map_or(String::new(), |service| {
            format!(" (the server speaks {service}: try --protocol {service})")
        });
        Ok(decoded.err().map(|why| format!("{why}{remedy}")))
    }

    /// Graceful close by the server: reports the reply that this completes, if any.
    fn end(
        &mut self,
        plan: &PingPlan,
        arrived: Instant,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
    ) -> Result<(), PingError> {
        let mut told = Ok(());
        self.requester.end_of_input(|reply| {
            told = tell(event(plan, reply, sequence.answered(arrived).as_ref()));
            self.answered = true;
        });
        Ok(told?)
    }
}

/// Sends a close_notify, if the kernel accepts it at once.
impl Drop for PingSession {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.unsent);
            // Errors no longer matter.
            let _ = self.write();
        }
    }
}

fn event<'a>(plan: &PingPlan, reply: Reply<'a>, answered: Option<&Answered>) -> PingEvent<'a> {
    let said = Said::of(reply, plan.options.protocol);
    let Some(&Answered { number, round_trip, late }) = answered else {
        return PingEvent::Unasked(said);
    };
    let echoed = reply.outcome == Outcome::Echo && reply.body == plan.message(number);
    PingEvent::Reply {
        number,
        bytes: said.prefix.len() + said.body.len(),
        round_trip,
        late,
        instead: (!echoed).then_some(said),
    }
}
