//! One request and its reply at a time on one connection: [`Exchange`].

use std::pin::pin;
use std::time::{Duration, Instant};

use echo_proto::{Opening, Outcome};
use tokio::net::TcpStream;

use crate::connection::{Answer, Arrival, Connection, ConnectionOptions, Receiver, Sender};
use crate::error::SessionError;
use crate::link::Link;
use crate::secure::Secure;

use super::Cause;

/// A connection for one caller at a time, who asks and waits for the reply.
#[derive(Debug)]
pub struct Exchange {
    sender: Sender,
    receiver: Receiver,
    connected_in: Duration,
    /// With whether an earlier session was resumed.
    handshake: Option<(Duration, bool)>,
    uses: u64,
    used_at: Instant,
    /// No request is under way and none has failed.
    whole: bool,
    /// The server has said that it ends the connection.
    ended: bool,
}

impl Exchange {
    /// On a connection that was just made.
    pub fn new(link: Link, options: ConnectionOptions) -> Self {
        let Link { stream, tls, connected_in } = link;
        let handshake =
            tls.as_ref().map(|Secure { transform, took, .. }| (*took, transform.is_resumed()));
        let connection = match tls {
            None => Connection::new(stream, options),
            Some(tls) => Connection::inside_tls(stream, tls, options),
        };
        let (sender, receiver) = connection.split();
        Self {
            sender,
            receiver,
            connected_in,
            handshake,
            uses: 0,
            used_at: Instant::now(),
            whole: true,
            ended: false,
        }
    }

    /// Sends `payload` and waits for its reply, which replaces what `reply` holds.
    ///
    /// A caller that does not wait for the end leaves the connection
    /// [broken](Self::is_whole).
    ///
    /// # Errors
    /// When the connection breaks or is closed, when what arrives is no reply, and when
    /// nothing arrives for the timeout. Afterwards the connection is of no more use.
    pub async fn request(
        &mut self,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Outcome, SessionError> {
        self.whole = false;
        self.uses += 1;
        self.sender.queue(payload);
        let mut sending = pin!(self.sender.send());
        let (mut outcome, mut more, mut sent) = (None, false, false);
        while outcome.is_none() {
            let receiving = self.receiver.receive(|answer: Answer<'_>| {
                more |= outcome.is_some();
                if outcome.is_none() {
                    reply.clear();
                    reply.extend_from_slice(answer.body);
                    outcome = Some(answer.outcome);
                }
            });
            // Both at once: a server may reply before it has read all, and may not read on
            // before its reply is read.
            let arrival = tokio::select! {
                biased;
                written = &mut sending, if !sent => {
                    sent = true;
                    written.map(|()| Arrival::Open).map_err(|reason| {
                        SessionError::Broken { reason, tally: self.receiver.tally() }
                    })
                }
                arrival = receiving => arrival,
            };
            if arrival? == Arrival::End {
                self.ended = true;
                if outcome.is_none() {
                    return Err(SessionError::Closed(self.receiver.tally()));
                }
            }
        }
        self.used_at = Instant::now();
        self.ended |= self.receiver.is_over();
        // After a reply too many, or one to half a request, nobody should ask here again.
        self.whole = sent && !more && self.receiver.partial().is_empty();
        outcome.ok_or_else(|| SessionError::Closed(self.receiver.tally()))
    }

    /// Whether all that was asked is answered, and nothing else.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Requests so far.
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// Since the last reply, or since it was made.
    pub fn idle_for(&self) -> Duration {
        self.used_at.elapsed()
    }

    /// Looks at what has arrived while nobody asked; `None` if the connection is fine.
    pub fn look(&mut self) -> Option<Cause> {
        if self.ended { Some(Cause::Closed) } else { self.receiver.look().map(Cause::from) }
    }

    /// What the server said first.
    pub fn opening(&self) -> Opening {
        self.receiver.opening()
    }

    /// Bytes sent and received so far, TLS included, its handshake not.
    pub fn traffic(&self) -> (u64, u64) {
        (self.sender.sent(), self.receiver.received())
    }

    /// The socket, for what the kernel knows of it.
    pub fn socket(&self) -> &TcpStream {
        self.receiver.socket()
    }

    /// How long the connection took to make.
    pub fn connected_in(&self) -> Duration {
        self.connected_in
    }

    /// How long the TLS handshake took, and whether it resumed an earlier session.
    pub fn handshake(&self) -> Option<(Duration, bool)> {
        self.handshake
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Inside TLS an end without a word is a stream that was cut off.
        self.sender.say_goodbye();
    }
}
