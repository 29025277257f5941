//! Sequential requests on one connection: [`Exchange`].

use std::pin::pin;
use std::time::{Duration, Instant};

use echo_proto::Outcome;

use crate::connection::{Answer, Arrival, Connection, ConnectionOptions, Receiver, Sender};
use crate::error::SessionError;
use crate::link::Link;

use super::Cause;

/// A connection for one caller at a time, which waits for each reply.
#[derive(Debug)]
pub struct Exchange {
    sender: Sender,
    receiver: Receiver,
    connected_in: Duration,
    uses: u64,
    used_at: Instant,
    /// No request is pending and none has failed.
    whole: bool,
    /// The server has announced that it closes the connection.
    ended: bool,
}

impl Exchange {
    /// On a new connection.
    pub fn new(link: Link, options: ConnectionOptions) -> Self {
        let Link { stream, tls, connected_in } = link;
        let connection = match tls {
            None => Connection::new(stream, options),
            Some(tls) => Connection::inside_tls(stream, tls, options),
        };
        let (sender, receiver) = connection.split();
        Self {
            sender,
            receiver,
            connected_in,
            uses: 0,
            used_at: Instant::now(),
            whole: true,
            ended: false,
        }
    }

    /// Sends `payload` and waits for its reply, which replaces what `reply` holds.
    ///
    /// A caller that is cancelled during this leaves the connection unusable.
    ///
    /// # Errors
    /// When the connection breaks or is closed, on an invalid reply, and when nothing arrives
    /// within the timeout. The connection is unusable afterwards.
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
            // Concurrently: a server may reply before it has read everything, and stop reading
            // until its reply is read.
            let arrival = tokio::select! {
                biased;
                written = &mut sending, if !sent => {
                    sent = true;
                    match written {
                        Ok(()) => Ok(Arrival::Open),
                        Err(reason) => Err(self.receiver.last_word(reason).await),
                    }
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
        // After an extra reply, or one to an incomplete request, the connection must not be
        // reused.
        self.whole = sent && !more && self.receiver.partial().is_empty();
        outcome.ok_or_else(|| SessionError::Closed(self.receiver.tally()))
    }

    /// Whether every request is answered, without unsolicited data.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Requests so far.
    pub(crate) fn uses(&self) -> u64 {
        self.uses
    }

    /// Checks an idle connection; `None` if it is usable.
    pub(crate) fn look(&mut self) -> Option<Cause> {
        if self.ended { Some(Cause::Closed) } else { self.receiver.look().map(Cause::from) }
    }

    /// Connect time.
    pub(crate) fn connected_in(&self) -> Duration {
        self.connected_in
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Without a close_notify the stream counts as truncated.
        self.sender.say_goodbye();
    }
}
