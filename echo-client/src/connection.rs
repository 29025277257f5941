//! A protocol spoken on a socket: [`Connection`], which splits into a [`Sender`] and a
//! [`Receiver`] so that replies are read while requests are written. Keeps no more than
//! one read and one write in memory; formats nothing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echo_net::tls::Transform;
use echo_proto::{Outcome, ProtocolKind, Request as _, Requester};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout_at;

use crate::error::SessionError;
use crate::in_flight::{InFlight, Tally};
use crate::pool::Staleness;
use crate::secure::Secure;

/// Bytes that one read may bring.
const READ_BUFFER: usize = 64 * 1024;

/// How long the server may take to close after its last reply; what it says in that time
/// is shown too.
const LINGER: Duration = Duration::from_secs(1);

/// How to speak on a connection.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the bytes mean.
    pub protocol: ProtocolKind,
    /// Whether a person types what is sent: where there are commands, a message is one.
    pub typed: bool,
    /// Whether lines are for others, and what arrives is theirs: no request has a reply.
    pub chat: bool,
    /// The longest message or reply in bytes.
    pub max_message: usize,
    /// How long nothing may arrive while a reply is due.
    pub timeout: Duration,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    tls: Option<Secure>,
    options: Options,
}

impl Connection {
    /// Speaks on a socket that is connected.
    pub fn new(stream: TcpStream, options: Options) -> Self {
        Self { stream, tls: None, options }
    }

    /// Speaks inside TLS, on a socket whose [handshake](crate::secure::handshake) is over.
    pub fn inside_tls(stream: TcpStream, tls: Secure, options: Options) -> Self {
        Self { stream, tls: Some(tls), options }
    }

    /// How it speaks.
    pub fn options(&self) -> Options {
        self.options
    }

    /// The two directions.
    pub fn split(self) -> (Sender, Receiver) {
        let (read, write) = self.stream.into_split();
        let (tls, early) = match self.tls {
            Some(Secure { transform, early, .. }) => (Some(transform), early),
            None => (None, Vec::new()),
        };
        let Options { protocol, typed, max_message, .. } = self.options;
        let requester = if typed {
            protocol.typed_requester(max_message)
        } else {
            protocol.requester(max_message)
        };
        let shared = Arc::new(Shared(Mutex::new(State {
            requester,
            in_flight: InFlight::default(),
            finished: None,
            chat: self.options.chat,
            said_goodbye: false,
            tls,
        })));
        let sender = Sender {
            write,
            shared: Arc::clone(&shared),
            options: self.options,
            wire: Vec::new(),
            sealed: Vec::new(),
            number: 0,
            queued: 0,
            sent: 0,
        };
        let buffer = vec![0; READ_BUFFER];
        let plaintext = Vec::new();
        let options = self.options;
        (sender, Receiver { read, shared, options, buffer, plaintext, early, received: 0 })
    }
}

/// What both directions know.
#[derive(Debug)]
struct State {
    requester: Requester,
    in_flight: InFlight,
    /// When our side was ended.
    finished: Option<Instant>,
    chat: bool,
    /// In a chat: asked the server to end it.
    said_goodbye: bool,
    tls: Option<Transform>,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The direction to the server.
#[derive(Debug)]
pub struct Sender {
    write: OwnedWriteHalf,
    shared: Arc<Shared>,
    options: Options,
    wire: Vec<u8>,
    /// The same inside TLS.
    sealed: Vec<u8>,
    /// Number of the next request.
    number: u64,
    /// Requests in `wire` that have a reply.
    queued: u64,
    /// Bytes written so far.
    sent: u64,
}

impl Sender {
    /// Puts a request into the next write.
    pub fn queue(&mut self, payload: &[u8]) {
        let mut state = self.shared.lock();
        state.requester.encode(self.number, payload, &mut self.wire);
        self.number += 1;
        if state.chat {
            state.said_goodbye |= payload.trim_ascii_end() == b"/quit";
        } else {
            let Options { protocol, typed, .. } = self.options;
            self.queued += u64::from(!typed || protocol.has_reply(payload));
        }
    }

    /// Writes the queued requests in one go.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self) -> io::Result<()> {
        {
            let mut state = self.shared.lock();
            state.in_flight.sent(Instant::now(), self.queued);
            if let Some(tls) = &mut state.tls {
                tls.send(&self.wire, &mut self.sealed);
                std::mem::swap(&mut self.wire, &mut self.sealed);
                self.sealed.clear();
            }
        }
        self.queued = 0;
        let written = self.write.write_all(&self.wire).await;
        self.sent += self.wire.len() as u64;
        self.wire.clear();
        written
    }

    /// Bytes written so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Half-closes: no more requests follow.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.shared.lock().tls {
            tls.close(&mut self.wire);
        }
        let said = self.write.write_all(&self.wire).await;
        self.wire.clear();
        let ended = said.and(self.write.shutdown().await);
        self.shared.lock().finished = Some(Instant::now());
        ended
    }
}

/// One whole reply, as a [`Receiver`] tells it.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Echo, error, or neither.
    pub outcome: Outcome,
    /// The reply without framing and prefix.
    pub body: &'a [u8],
    /// From the writing of its request to its arrival; `None` if nobody asked.
    pub round_trip: Option<Duration>,
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
    shared: Arc<Shared>,
    options: Options,
    buffer: Vec<u8>,
    /// What was inside of TLS.
    plaintext: Vec<u8>,
    /// What was said within the handshake.
    early: Vec<u8>,
    /// Bytes read so far.
    received: u64,
}

impl Receiver {
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
        if length == 0 && self.early.is_empty() {
            return Ok(Arrival::End);
        }
        self.received += length as u64;
        let now = Instant::now();
        let mut state = self.shared.lock();
        let State { requester, in_flight, finished, tls, .. } = &mut *state;
        let (mut arrival, mut fault, mut input) = (Arrival::Open, None, &self.buffer[..length]);
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
        let decoded = requester.decode(input, |reply| {
            let round_trip = in_flight.answered(now);
            each(Answer { outcome: reply.outcome, body: reply.body, round_trip });
        });
        in_flight.progressed(now);
        *finished = finished.map(|_| now);
        decoded.map_err(|reason| SessionError::Malformed {
            protocol: self.options.protocol,
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
    pub(crate) fn look(&mut self) -> Option<Staleness> {
        if !self.early.is_empty() {
            return Some(Staleness::Unsolicited);
        }
        loop {
            // Not by way of the runtime, which may not have heard of it yet.
            let socket: &TcpStream = self.read.as_ref();
            let length = match rustix::io::read(socket, &mut self.buffer[..]) {
                Ok(0) => return Some(Staleness::Closed),
                Ok(length) => length,
                Err(rustix::io::Errno::WOULDBLOCK) => return None,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Some(Staleness::Closed),
            };
            let mut state = self.shared.lock();
            let Some(tls) = &mut state.tls else { return Some(Staleness::Unsolicited) };
            let (mut input, mut said) = (&self.buffer[..length], false);
            while !input.is_empty() {
                if tls.receive(&mut input, |piece| said |= !piece.is_empty()).is_err() {
                    return Some(Staleness::Closed);
                }
            }
            if tls.is_input_over() {
                return Some(Staleness::Closed);
            }
            if said {
                return Some(Staleness::Unsolicited);
            }
        }
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
        state.said_goodbye || (state.finished.is_some() && state.in_flight.is_empty())
    }

    /// Whether the server was asked to end the connection, as a chat can be left.
    pub fn said_goodbye(&self) -> bool {
        self.shared.lock().said_goodbye
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
