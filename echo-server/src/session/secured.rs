//! The TLS around a session's bytes: [`Secured`]. Decides nothing about the connection's
//! life; it tells the session that the input is over, and counts what happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::tls::{Fault, Transform};
use echo_proto::{Flow, Replies, Respond};
use tracing::debug;

use crate::counters::TlsCounters;
use crate::speaker::Speaker;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Secured {
    transform: Transform,
    /// When the handshake must be over.
    handshake_until: Nanos,
    handshaking: bool,
    failed: bool,
    counters: Arc<TlsCounters>,
}

impl Secured {
    pub(super) fn new(
        transform: Transform,
        handshake_until: Nanos,
        counters: Arc<TlsCounters>,
    ) -> Self {
        Self { transform, handshake_until, handshaking: true, failed: false, counters }
    }

    /// Takes all of `input`; afterwards `replies` holds, encrypted, what is to be sent.
    pub(super) fn receive(
        &mut self,
        responder: &mut Speaker,
        mut input: &[u8],
        replies: &mut Replies,
    ) -> Flow {
        let mut flow = Flow::Open;
        while flow == Flow::Open && !input.is_empty() {
            let received = self.transform.receive(&mut input, |plaintext| {
                if flow == Flow::Open {
                    flow = responder.receive(plaintext, replies);
                }
            });
            if let Err(fault) = received {
                self.fail(&fault, replies);
                flow = Flow::Finish;
            }
        }
        if self.handshaking && !self.transform.is_handshaking() {
            self.handshaking = false;
            count(&self.counters.handshakes);
            if self.transform.is_resumed() {
                count(&self.counters.resumed);
            }
        }
        if flow == Flow::Open && self.transform.is_input_over() {
            responder.end_of_input(replies);
            flow = Flow::Finish;
        }
        self.encrypt(replies);
        flow
    }

    /// The connection has ended. Where the peer did not announce it, a message that has
    /// begun is not answered: the rest of it may have been cut off on the way.
    pub(super) fn end_of_input(&mut self, replies: &mut Replies) {
        match self.transform.end_of_input() {
            // Whoever only looks whether somebody listens does no harm.
            Err(Fault::Unfinished) if !self.transform.has_begun() => self.handshaking = false,
            Err(fault) => self.fail(&fault, replies),
            // The end was answered when it was announced.
            Ok(()) => {}
        }
    }

    /// The handshake took too long.
    pub(super) fn time_out(&mut self, replies: &mut Replies) {
        debug!("no TLS handshake in time");
        replies.count_error();
        count(&self.counters.timeout);
    }

    /// Appends the word that nothing follows.
    pub(super) fn close(&mut self, replies: &mut Replies) {
        replies.append(|output| self.transform.close(output));
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.handshaking
    }

    pub(super) fn handshake_until(&self) -> Nanos {
        self.handshake_until
    }

    /// Whether the peer broke the rules.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Puts `replies`, encrypted, in their own place.
    pub(super) fn encrypt(&mut self, replies: &mut Replies) {
        if !replies.is_empty() {
            replies.transform(|plaintext, output| {
                self.transform.send(plaintext, output);
            });
        }
        replies.append(|output| self.transform.take_output(output));
    }

    fn fail(&mut self, fault: &Fault, replies: &mut Replies) {
        debug!(%fault, "TLS failed");
        self.failed = true;
        replies.count_error();
        count(match fault {
            Fault::NotTls => &self.counters.plaintext,
            Fault::Truncated => &self.counters.truncated,
            _ => &self.counters.failed,
        });
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
