//! The receiving direction: [`Receiver`].

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echo_net::stream::OwnedReadHalf;
use echo_net::tls::Fault;
use echo_proto::{Outcome, Reply, Request as _};
use tokio::io::AsyncReadExt as _;
use tokio::time::{timeout, timeout_at};

use super::{ConnectionOptions, ConnectionState, SharedState};
use crate::error::SessionError;
use crate::expectations::Deviations;
use crate::in_flight::Tally;

/// Read buffer size in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// How long the server may take to close after its last reply; further replies in that time are
/// reported.
const LINGER: Duration = Duration::from_secs(1);

/// Maximum size of unsolicited replies since the last one to a request, in bytes: a server that
/// goes on sending must not keep a client for ever.
const MOST_UNSOLICITED: usize = 64 * 1024;

/// Why an idle connection is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The server has closed it.
    Closed,
    /// It holds unsolicited bytes.
    Unsolicited,
}

/// A complete reply, as passed to the caller of a [`Receiver`].
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Echo, error, or neither.
    pub outcome: Outcome,
    /// The status code, in protocols that have one.
    pub status: Option<u16>,
    /// The reply without framing and prefix.
    pub body: &'a [u8],
    /// Round-trip time since its request was written; `None` if it is unsolicited.
    pub round_trip: Option<Duration>,
}

impl Answer<'_> {
    /// The status code, unless it is a success.
    pub fn failed_status(&self) -> Option<u16> {
        self.status.filter(|status| !(200..300).contains(status))
    }
}

/// Whether more data may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Data has arrived, and more may follow.
    Open,
    /// The server has closed the connection, or its time to do so is over.
    End,
}

/// The receiving direction.
#[derive(Debug)]
pub struct Receiver {
    read: OwnedReadHalf,
    shared: Arc<SharedState>,
    options: ConnectionOptions,
    buffer: Vec<u8>,
    /// Decrypted bytes, with TLS.
    plaintext: Vec<u8>,
    /// Bytes received with the handshake.
    early: Vec<u8>,
    /// Bytes read so far.
    received: u64,
}

impl Receiver {
    /// Starts with `early`, received with the handshake.
    pub(super) fn new(
        read: OwnedReadHalf,
        shared: Arc<SharedState>,
        options: ConnectionOptions,
        early: Vec<u8>,
    ) -> Self {
        let (buffer, plaintext) = (vec![0; READ_BUFFER], Vec::new());
        Self { read, shared, options, buffer, plaintext, early, received: 0 }
    }

    /// Waits for bytes and calls `each` with every reply that they complete. Cancellation-safe.
    ///
    /// # Errors
    /// When the connection breaks, on an invalid reply, and when nothing arrives within the
    /// timeout while a reply is pending.
    pub async fn receive(
        &mut self,
        mut each: impl FnMut(Answer<'_>),
    ) -> Result<Arrival, SessionError> {
        let length = match self.early.len() {
            0 => self.read_some().await?,
            _ => 0,
        };
        let is_first = self.received == 0;
        self.received += length as u64;
        let now = Instant::now();
        let mut state = self.shared.lock();
        if is_first && state.is_refused_for_tls(&self.buffer[..length]) {
            return Err(SessionError::SpeaksTls(state.in_flight.tally()));
        }
        let ConnectionState {
            requester,
            opening,
            in_flight,
            expectations,
            unsolicited_bytes,
            finished,
            chat,
            tls,
            ..
        } = &mut *state;
        let ConnectionOptions { protocol, typed, .. } = self.options;
        let answered_before = in_flight.tally().answered;
        let ended = length == 0 && self.early.is_empty();
        let (mut arrival, mut fault, mut input) = (Arrival::Open, None, &self.buffer[..length]);
        if ended {
            arrival = Arrival::End;
        }
        if let Some(tls) = tls {
            self.plaintext.clear();
            self.plaintext.append(&mut self.early);
            let plaintext = &mut self.plaintext;
            let received = tls.receive_all(input, |piece| plaintext.extend_from_slice(piece));
            fault = received.err();
            if tls.is_input_over() {
                arrival = Arrival::End;
            }
            input = &self.plaintext;
        }
        opening.hear(input);
        let mut each = |reply: Reply<'_>| {
            let round_trip = in_flight.answered(now);
            let Reply { outcome, status, body, .. } = reply;
            if round_trip.is_some() {
                let (outcome, text) = protocol.compared(&reply, typed);
                expectations.answered(outcome, text);
                *unsolicited_bytes = 0;
            } else if !*chat {
                expectations.unsolicited();
                *unsolicited_bytes += body.len() + 1;
            }
            each(Answer { outcome, status, body, round_trip });
        };
        let decoded = requester.decode(input, &mut each);
        if arrival == Arrival::End && decoded.is_ok() && fault.is_none() {
            requester.end_of_input(each);
        }
        if !ended {
            in_flight.progressed(now);
            // What nobody asked for does not keep the connection open.
            let is_awaited =
                !in_flight.is_empty() || in_flight.tally().answered > answered_before || *chat;
            if is_awaited {
                *finished = finished.map(|_| now);
            }
        }
        decoded.map_err(|reason| SessionError::Malformed {
            protocol: self.options.protocol,
            opening: *opening,
            reason,
            tally: in_flight.tally(),
        })?;
        if *unsolicited_bytes > MOST_UNSOLICITED {
            let (bytes, tally) = (*unsolicited_bytes, in_flight.tally());
            return Err(SessionError::Unsolicited { bytes, tally });
        }
        match fault {
            None => Ok(arrival),
            Some(fault) => Err(SessionError::Tls { fault, tally: in_flight.tally() }),
        }
    }

    /// Checks an idle connection without waiting; `None` if it is usable. TLS records without
    /// application data are fine.
    pub(crate) fn look(&mut self) -> Option<Unfit> {
        if !self.early.is_empty() {
            return Some(Unfit::Unsolicited);
        }
        loop {
            // Not through the runtime, which may not have polled the socket yet.
            let socket = self.read.as_fd();
            let length = match rustix::io::read(socket, &mut self.buffer[..]) {
                Ok(0) => return Some(Unfit::Closed),
                Ok(length) => length,
                Err(rustix::io::Errno::WOULDBLOCK) => return None,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Some(Unfit::Closed),
            };
            let mut state = self.shared.lock();
            let Some(tls) = &mut state.tls else { return Some(Unfit::Unsolicited) };
            let mut said = false;
            let received =
                tls.receive_all(&self.buffer[..length], |piece| said |= !piece.is_empty());
            if received.is_err() || tls.is_input_over() {
                return Some(Unfit::Closed);
            }
            if said {
                return Some(Unfit::Unsolicited);
            }
        }
    }

    /// Whether the server announced that it closes the connection after the last reply.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.lock().requester.is_over()
    }

    /// A connection closed without close_notify was cut off, even after the last reply: more may
    /// have followed.
    fn check_end(&self) -> Result<(), SessionError> {
        let mut state = self.shared.lock();
        match state.tls.as_mut().and_then(|tls| tls.end_of_input().err()) {
            Some(fault) => Err(SessionError::Tls { fault, tally: state.in_flight.tally() }),
            None => Ok(()),
        }
    }

    /// Reads; 0 at the end of the connection, and when everything is answered and the server
    /// has had its time to close.
    async fn read_some(&mut self) -> Result<usize, SessionError> {
        loop {
            let (quiet_since, finished) = {
                let state = self.shared.lock();
                (state.in_flight.quiet_since(), state.finished)
            };
            let deadline = match (quiet_since, finished) {
                (Some(since), _) => since + self.options.timeout,
                // In a chat others may still send.
                (None, Some(since)) if self.options.chat => since + self.options.timeout,
                (None, Some(since)) => since + LINGER,
                // Checked again then: a request may have been sent meanwhile.
                (None, None) => Instant::now() + LINGER.min(self.options.timeout),
            };
            match timeout_at(deadline.into(), self.read.read(&mut self.buffer)).await {
                Ok(Ok(0)) => {
                    self.check_end()?;
                    return Ok(0);
                }
                Ok(Ok(length)) => return Ok(length),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // Everything is answered; a reset by the server does no harm, but inside TLS.
                Ok(Err(_)) if self.is_done() => {
                    self.check_end()?;
                    return Ok(0);
                }
                Ok(Err(reason)) => return Err(self.broken(reason)),
                Err(_) if quiet_since.is_some() => {
                    let timeout = self.options.timeout;
                    return Err(SessionError::NoReply { timeout, tally: self.tally() });
                }
                Err(_) if finished.is_some() => return Ok(0),
                Err(_) => {}
            }
        }
    }

    /// Writing failed with `reason`: what the server said before it broke the connection, if that
    /// is a refusal of the client certificate.
    pub(crate) async fn last_word(&mut self, reason: io::Error) -> SessionError {
        let secured = self.shared.lock().tls.is_some();
        if secured
            && let Ok(Err(error)) = timeout(LINGER, self.receive(|_| ())).await
            && matches!(&error, SessionError::Tls { fault: Fault::ClientRefused(_), .. })
        {
            return error;
        }
        self.broken(reason)
    }

    /// The connection broke for this reason.
    pub(crate) fn broken(&self, reason: io::Error) -> SessionError {
        SessionError::Broken { reason, tally: self.tally() }
    }

    fn is_done(&self) -> bool {
        let state = self.shared.lock();
        (state.said_goodbye || state.finished.is_some()) && state.in_flight.is_empty()
    }

    /// Whether the server was asked to close the connection, as with `/quit` in chat and `QUIT`
    /// in the command protocol, and no reply is pending.
    pub fn said_goodbye(&self) -> bool {
        let state = self.shared.lock();
        state.said_goodbye && state.in_flight.is_empty()
    }

    /// Bytes of an incomplete reply.
    pub fn partial(&self) -> Vec<u8> {
        self.shared.lock().requester.partial().to_vec()
    }

    /// How many requests were sent and answered so far.
    pub fn tally(&self) -> Tally {
        self.shared.lock().in_flight.tally()
    }

    /// Replies so far that were not what their requests asked for.
    pub fn deviations(&self) -> Deviations {
        self.shared.lock().expectations.deviations()
    }

    /// The server closed the connection: whether it has answered at least one request and all of
    /// them, with nothing after that, so that nothing is lost.
    pub fn is_complete(&self) -> bool {
        let state = self.shared.lock();
        state.in_flight.tally().answered > 0
            && state.in_flight.is_empty()
            && state.requester.partial().is_empty()
    }

    /// Whether every request is answered.
    pub fn is_idle(&self) -> bool {
        self.shared.lock().in_flight.is_empty()
    }
}
