//! A protocol spoken on a socket: [`Connection`], which splits into a [`Sender`] and a
//! [`Receiver`] so that replies are read while requests are written. Keeps no more than
//! one read and one write in memory; formats nothing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echo_net::tls::{Transform, is_alert};
use echo_proto::{HttpHost, Opening, ProtocolKind, Request as _, Requester};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use crate::in_flight::InFlight;
use crate::secure::Secure;

mod receiver;

pub(crate) use receiver::Unfit;
pub use receiver::{Answer, Arrival, Receiver};

/// The first byte of an alert of TLS.
const ALERT: u8 = 21;

/// How to speak on a connection.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// Application protocol.
    pub protocol: ProtocolKind,
    /// Whether a person types what is sent: where there are commands, a message is one.
    pub typed: bool,
    /// Whether lines are for others, and what arrives is theirs: no request has a reply.
    pub chat: bool,
    /// The longest message or reply in bytes.
    pub max_message: usize,
    /// The site that HTTP requests are for.
    pub http_host: HttpHost,
    /// How long nothing may arrive while a reply is due.
    pub timeout: Duration,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    tls: Option<Secure>,
    options: ConnectionOptions,
}

impl Connection {
    /// Speaks on a socket that is connected.
    pub fn new(stream: TcpStream, options: ConnectionOptions) -> Self {
        Self { stream, tls: None, options }
    }

    /// Speaks inside TLS, on a socket whose [handshake](crate::secure::handshake) is over.
    pub fn inside_tls(stream: TcpStream, tls: Secure, options: ConnectionOptions) -> Self {
        Self { stream, tls: Some(tls), options }
    }

    /// How it speaks.
    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// The two directions.
    pub fn split(self) -> (Sender, Receiver) {
        let (read, write) = self.stream.into_split();
        let (tls, early) = match self.tls {
            Some(Secure { transform, early, .. }) => (Some(transform), early),
            None => (None, Vec::new()),
        };
        let ConnectionOptions { protocol, typed, max_message, ref http_host, .. } =
            self.options;
        let requester = if typed {
            protocol.typed_requester(max_message)
        } else {
            protocol.requester(max_message)
        };
        let requester = requester.for_http_host(http_host);
        let shared = Arc::new(SharedState(Mutex::new(ConnectionState {
            requester,
            opening: Opening::default(),
            in_flight: InFlight::default(),
            finished: None,
            chat: self.options.chat,
            said_goodbye: false,
            sent_alert: false,
            tls,
        })));
        let sender = Sender {
            write,
            shared: Arc::clone(&shared),
            options: self.options.clone(),
            wire: Vec::new(),
            sealed: Vec::new(),
            number: 0,
            queued: 0,
            sent: 0,
        };
        (sender, Receiver::new(read, shared, self.options, early))
    }
}

/// What both directions know.
#[derive(Debug)]
struct ConnectionState {
    requester: Requester,
    /// What the server said first.
    opening: Opening,
    in_flight: InFlight,
    /// When our side was ended.
    finished: Option<Instant>,
    chat: bool,
    /// Asked the server to end the connection, which is no request that has a reply.
    said_goodbye: bool,
    /// What was sent begins as an alert of TLS does: an echo would look like one.
    sent_alert: bool,
    tls: Option<Transform>,
}

impl ConnectionState {
    /// Whether `first`, which the server has said first, means that it expected TLS.
    fn is_refused_for_tls(&self, first: &[u8]) -> bool {
        self.tls.is_none() && !self.sent_alert && is_alert(first)
    }
}

#[derive(Debug)]
struct SharedState(Mutex<ConnectionState>);

impl SharedState {
    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The direction to the server.
#[derive(Debug)]
pub struct Sender {
    write: OwnedWriteHalf,
    shared: Arc<SharedState>,
    options: ConnectionOptions,
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
            let ConnectionOptions { protocol, typed, .. } = self.options;
            let has_reply = !typed || protocol.has_reply(payload);
            self.queued += u64::from(has_reply);
            state.said_goodbye |= !has_reply;
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
            state.sent_alert |= self.sent == 0 && self.wire.first() == Some(&ALERT);
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

    /// Says inside TLS that nothing follows, without waiting: what the kernel does not take
    /// now is not said.
    pub(crate) fn say_goodbye(&mut self) {
        // After half a record nothing would be understood.
        if self.wire.is_empty()
            && let Some(tls) = &mut self.shared.lock().tls
        {
            tls.close(&mut self.wire);
            let _ = self.write.try_write(&self.wire);
        }
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
