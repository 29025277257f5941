//! The direction from the server: [`Receiver`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use echo_proto::{Opening, Outcome, ProtocolKind, Reply, Request as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout_at;

use super::{ConnectionOptions, ConnectionState, SharedState};
use crate::error::SessionError;
use crate::in_flight::Tally;

/// Read buffer size in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// How long the server may take to close after its last reply; what it says in that time
/// is shown too.
const LINGER: Duration = Duration::from_secs(1);

/// Why a connection on which no reply is due is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The server closed it.
    Closed,
    /// It holds bytes that no request asked for.
    Unsolicited,
}

/// One whole reply, as a [`Receiver`] tells it.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Echo, error, or neither.
    pub outcome: Outcome,
    /// The status, where the protocol has one beside the body.
    pub status: Option<u16>,
    /// The reply without framing and prefix.
    pub body: &'a [u8],
    /// From the writing of its request to its arrival; `None` if nobody asked.
    pub round_trip: Option<Duration>,
}

impl Answer<'_> {
    /// The status, if it is none of success.
    pub fn failed_status(&self) -> Option<u16> {
        self.status.filter(|status| !(200..300).contains(status))
    }
}

/// Whether more may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Something arrived, and more may follow.
    Open,
    /// The server has ended the connection, or has had its time to do so.
    End,
}

/// The direction from the server.
#[derive(Debug)]
pub struct Receiver {
    read: OwnedReadHalf,
    shared: Arc<SharedState>,
    options: ConnectionOptions,
    buffer: Vec<u8>,
    /// What was inside of TLS.
    plaintext: Vec<u8>,
    /// What was said within the handshake.
    early: Vec<u8>,
    /// Bytes read so far.
    received: u64,
}

impl Receiver {
    /// Reads what comes after `early`, which was said within the handshake.
    pub(super) fn new(
        read: OwnedReadHalf,
        shared: Arc<SharedState>,
        options: ConnectionOptions,
        early: Vec<u8>,
    ) -> Self {
        let (buffer, plaintext) = (vec![0; READ_BUFFER], Vec::new());
        Self { read, shared, options, buffer, plaintext, early, received: 0 }
    }

    /// Waits for bytes and calls `each` with every reply that they complete. May be
    /// cancelled without loss.
    ///
    /// # Errors
    /// When the connection is broken, when what arrives is no reply, or when nothing
    /// arrives for the timeout while a reply is due.
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
        let ConnectionState { requester, opening, in_flight, finished, tls, .. } = &mut *state;
        let ended = length == 0 && self.early.is_empty();
        let (mut arrival, mut fault, mut input) = (Arrival::Open, None, &self.buffer[..length]);
        if ended {
            arrival = Arrival::End;
        }
        if let Some(tls) = tls {
            self.plaintext.clear();
            self.plaintext.append(&mut self.early);
            while !input.is_empty() && fault.is_none() {
                let plaintext = &mut self.plaintext;
                fault =
                    tls.receive(&mut input, |piece| plaintext.extend_from_slice(piece)).err();
            }
            if tls.is_input_over() {
                arrival = Arrival::End;
            }
            input = &self.plaintext;
        }
        opening.hear(input);
        let mut each = |reply: Reply<'_>| {
            let round_trip = in_flight.answered(now);
            let Reply { outcome, status, body, .. } = reply;
            each(Answer { outcome, status, body, round_trip });
        };
        let decoded = requester.decode(input, &mut each);
        if arrival == Arrival::End && decoded.is_ok() && fault.is_none() {
            requester.end_of_input(each);
        }
        if !ended {
            in_flight.progressed(now);
            *finished = finished.map(|_| now);
        }
        decoded.map_err(|reason| SessionError::Malformed {
            protocol: self.options.protocol,
            opening: *opening,
            reason,
            tally: in_flight.tally(),
        })?;
        match fault {
            None => Ok(arrival),
            Some(fault) => Err(SessionError::Tls { fault, tally: in_flight.tally() }),
        }
    }

    /// Looks, without waiting, at what has arrived although no reply is due; `None` if
    /// nothing has that concerns who speaks here: TLS may say things for itself.
    pub(crate) fn look(&mut self) -> Option<Unfit> {
        if !self.early.is_empty() {
            return Some(Unfit::Unsolicited);
        }
        loop {
            // Not by way of the runtime, which may not have heard of it yet.
            let socket: &TcpStream = self.read.as_ref();
            let length = match rustix::io::read(socket, &mut self.buffer[..]) {
                Ok(0) => return Some(Unfit::Closed),
                Ok(length) => length,
                Err(rustix::io::Errno::WOULDBLOCK) => return None,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Some(Unfit::Closed),
            };
            let mut state = self.shared.lock();
            let Some(tls) = &mut state.tls else { return Some(Unfit::Unsolicited) };
            let (mut input, mut said) = (&self.buffer[..length], false);
            while !input.is_empty() {
                if tls.receive(&mut input, |piece| said |= !piece.is_empty()).is_err() {
                    return Some(Unfit::Closed);
                }
            }
            if tls.is_input_over() {
                return Some(Unfit::Closed);
            }
            if said {
                return Some(Unfit::Unsolicited);
            }
        }
    }

    /// Whether the server has said that it ends the connection after the last reply.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.lock().requester.is_over()
    }

    /// What the server said first.
    pub(crate) fn opening(&self) -> Opening {
        self.shared.lock().opening
    }

    /// Bytes read so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.read.as_ref()
    }

    /// An end of the connection that the server has not announced inside TLS. Where all is
    /// answered by replies that tell their own end, nothing can be missing.
    fn check_end(&self) -> Result<(), SessionError> {
        let mut state = self.shared.lock();
        let fault = state.tls.as_mut().and_then(|tls| tls.end_of_input().err());
        let whole = state.finished.is_some()
            && state.in_flight.is_empty()
            && self.options.protocol != ProtocolKind::Raw;
        match fault {
            Some(fault) if !whole => {
                Err(SessionError::Tls { fault, tally: state.in_flight.tally() })
            }
            _ => Ok(()),
        }
    }

    /// Reads; 0 at the end of the connection, and when all is answered and the server has
    /// had its time to close.
    async fn read_some(&mut self) -> Result<usize, SessionError> {
        loop {
            let (quiet_since, finished) = {
                let state = self.shared.lock();
                (state.in_flight.quiet_since(), state.finished)
            };
            let deadline = match (quiet_since, finished) {
                (Some(since), _) => since + self.options.timeout,
                // Others may say something as long as the server keeps us.
                (None, Some(since)) if self.options.chat => since + self.options.timeout,
                (None, Some(since)) => since + LINGER,
                // Looked at again then: a request may have become due meanwhile.
                (None, None) => Instant::now() + LINGER.min(self.options.timeout),
            };
            match timeout_at(deadline.into(), self.read.read(&mut self.buffer)).await {
                Ok(Ok(0)) => {
                    self.check_end()?;
                    return Ok(0);
                }
                Ok(Ok(length)) => return Ok(length),
                // All is said; that the server hangs up rudely does no harm.
                Ok(Err(_)) if self.is_done() => return Ok(0),
                Ok(Err(reason)) => {
                    return Err(SessionError::Broken { reason, tally: self.tally() });
                }
                Err(_) if quiet_since.is_some() => {
                    let timeout = self.options.timeout;
                    return Err(SessionError::NoReply { timeout, tally: self.tally() });
                }
                Err(_) if finished.is_some() => return Ok(0),
                Err(_) => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        let state = self.shared.lock();
        (state.said_goodbye || state.finished.is_some()) && state.in_flight.is_empty()
    }

    /// Whether the server was asked to end the connection, as with `/quit` in a chat and
    /// `QUIT` where there are commands, and owes nothing.
    pub fn said_goodbye(&self) -> bool {
        let state = self.shared.lock();
        state.said_goodbye && state.in_flight.is_empty()
    }

    /// Bytes of a reply that has begun and not ended.
    pub fn partial(&self) -> Vec<u8> {
        self.shared.lock().requester.partial().to_vec()
    }

    /// How many requests were made and answered so far.
    pub fn tally(&self) -> Tally {
        self.shared.lock().in_flight.tally()
    }

    /// Whether every request is answered.
    pub fn is_idle(&self) -> bool {
        self.shared.lock().in_flight.is_empty()
    }
}
