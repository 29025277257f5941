//! TLS of a session: [`Secured`]. It does not decide about the connection's life cycle; it
//! reports the end of input, and counts events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::tls::{ClientFault, Fault, Transform};
use echo_proto::{Flow, Replies, Respond};
use tracing::debug;

use super::message_clock::MessageClock;
use crate::counters::TlsCounters;
use crate::handshakes::HandshakePlace;
use crate::speaker::Speaker;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Secured {
    transform: Transform,
    /// Handshake deadline.
    handshake_until: Nanos,
    /// Until the handshake is complete.
    place: Option<HandshakePlace>,
    handshaking: bool,
    /// Since when a record has been unfinished.
    record: MessageClock,
    failed: bool,
    /// Why the client's certificate was refused.
    refusal: Option<ClientFault>,
    counters: Arc<TlsCounters>,
}

impl Secured {
    pub(super) fn new(
        transform: Transform,
        handshake_until: Nanos,
        place: HandshakePlace,
        counters: Arc<TlsCounters>,
    ) -> Self {
        Self {
            transform,
            handshake_until,
            place: Some(place),
            handshaking: true,
            record: MessageClock::new(),
            failed: false,
            refusal: None,
            counters,
        }
    }

    /// Handles all of `input`; afterwards `replies` holds the encrypted output. Also returns the
    /// number of decrypted bytes.
    pub(super) fn receive(
        &mut self,
        now: Nanos,
        responder: &mut Speaker,
        mut input: &[u8],
        replies: &mut Replies,
    ) -> (Flow, usize) {
        let (mut flow, mut decrypted, received) = (Flow::Open, 0, input.len());
        while flow == Flow::Open && !input.is_empty() {
            let received = self.transform.receive(&mut input, |plaintext| {
                decrypted += plaintext.len();
                if flow == Flow::Open {
                    flow = responder.receive(plaintext, replies);
                }
            });
            if let Err(fault) = received {
                self.fail(&fault, replies);
                flow = Flow::Finish;
            }
        }
        self.record.received(now, received, self.transform.unfinished_record());
        if self.handshaking && !self.transform.is_handshaking() {
            self.handshaking = false;
            self.place = None;
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
        (flow, decrypted)
    }

    /// Decrypts input that is not answered; whether there was any.
    pub(super) fn discard(&mut self, mut input: &[u8]) -> bool {
        let mut any = false;
        while !input.is_empty() {
            let received = self.transform.receive(&mut input, |plaintext| {
                any |= !plaintext.is_empty();
            });
            if received.is_err() {
                break;
            }
        }
        any
    }

    /// Handles the end of the connection. Without close_notify an incomplete message gets no
    /// reply: the rest of it may have been truncated.
    pub(super) fn end_of_input(&mut self, replies: &mut Replies) {
        match self.transform.end_of_input() {
            // A port scan or health check is not an error.
            Err(Fault::Unfinished) if !self.transform.has_begun() => {
                self.handshaking = false;
                self.place = None;
            }
            Err(fault) => self.fail(&fault, replies),
            // It was handled when the close_notify arrived.
            Ok(()) => {}
        }
    }

    /// Whether the handshake ends here: it has timed out, or another one has taken its place.
    pub(super) fn give_up(&mut self, now: Nanos, over: bool, replies: &mut Replies) -> bool {
        if self.place.as_ref().is_some_and(HandshakePlace::is_displaced) {
            debug!("TLS handshake ended: too many are unfinished, and it is the oldest");
            count(&self.counters.displaced);
        } else if over || now >= self.handshake_until {
            debug!("TLS handshake timed out");
            count(&self.counters.timeout);
        } else {
            return false;
        }
        replies.count_error();
        true
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

    /// Bytes of an incomplete record.
    pub(super) fn unfinished_record(&self) -> usize {
        self.record.bytes()
    }

    /// Since when a record has been unfinished.
    pub(super) fn record(&mut self) -> &mut MessageClock {
        &mut self.record
    }

    /// When the record is late.
    pub(super) fn late_at(&self, timeout: Nanos) -> Nanos {
        self.record.late_at(timeout)
    }

    /// Whether the peer violated the protocol.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Why the client's certificate was refused, if it was.
    pub(super) fn refusal(&self) -> Option<&ClientFault> {
        self.refusal.as_ref()
    }

    /// Whether the peer has sent its close_notify.
    pub(super) fn is_input_over(&self) -> bool {
        self.transform.is_input_over()
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
            Fault::Client(refusal) => {
                self.refusal = Some(refusal.clone());
                &self.counters.client_certificate
            }
            _ => &self.counters.failed,
        });
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
