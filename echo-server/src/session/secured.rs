//! TLS of a session: [`Secured`]. It does not decide about the connection's life cycle; it
//! reports the end of input, and counts events.

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
    /// Handshake deadline.
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

    /// Handles all of `input`; afterwards `replies` holds the encrypted output.
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

    /// Handles the end of the connection. Without close_notify an incomplete message gets no
    /// reply: the rest of it may have been truncated.
    pub(super) fn end_of_input(&mut self, replies: &mut Replies) {
        match self.transform.end_of_input() {
            // A port scan or health check is not an error.
            Err(Fault::Unfinished) if !self.transform.has_begun() => self.handshaking = false,
            Err(fault) => self.fail(&fault, replies),
            // It was handled when the close_notify arrived.
            Ok(()) => {}
        }
    }

    /// The handshake timed out.
    pub(super) fn time_out(&mut self, replies: &mut Replies) {
        debug!("TLS handshake timed out");
        replies.count_error();
        count(&self.counters.timeout);
    }

    /// Appends a close_notify.
    pub(super) fn close(&mut self, replies: &mut Replies) {
        replies.append(|output| self.transform.close(output));
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.handshaking
    }

    pub(super) fn handshake_until(&self) -> Nanos {
        self.handshake_until
    }

    /// Whether the peer violated the protocol.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Encrypts `replies` in place.
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
