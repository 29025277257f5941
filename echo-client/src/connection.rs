//! A protocol connection over a socket: [`Connection`], which splits into a [`Sender`] and a
//! [`Receiver`] so that replies are read while requests are written. Buffers at most one read
//! and one write.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echo_net::stream::{OwnedWriteHalf, Stream};
use echo_net::tls::{Transform, is_alert};
use echo_proto::{HttpHost, Opening, ProtocolKind, Request as _, Requester};
use tokio::io::AsyncWriteExt as _;

use crate::expectations::Expectations;
use crate::in_flight::InFlight;
use crate::secure::Secure;

mod receiver;

pub(crate) use receiver::Unfit;
pub use receiver::{Answer, Arrival, Receiver};

/// First byte of a TLS alert.
const ALERT: u8 = 21;

/// Options of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// Application protocol.
    pub protocol: ProtocolKind,
    /// Whether messages are typed by a person: in the command protocol, a message includes its
    /// command.
    pub typed: bool,
    /// Whether this is a chat, where lines have no reply and everything received is
    /// unsolicited.
    pub chat: bool,
    /// Maximum size of a message or reply in bytes.
    pub max_message: usize,
    /// The `Host` of HTTP requests.
    pub http_host: HttpHost,
    /// Reply timeout: maximum time without received bytes while a reply is pending.
    pub timeout: Duration,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    tls: Option<Secure>,
    options: ConnectionOptions,
}

impl Connection {
    /// Uses a connected socket.
    pub fn new(stream: impl Into<Stream>, options: ConnectionOptions) -> Self {
        let stream = stream.into();
        Self { stream, tls: None, options }
    }

    /// Uses TLS, on a socket whose [handshake](crate::secure::handshake) is complete.
    pub fn inside_tls(
        stream: impl Into<Stream>,
        tls: Secure,
        options: ConnectionOptions,
    ) -> Self {
        let stream = stream.into();
        Self { stream, tls: Some(tls), options }
    }

    /// Its options.
    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// Splits it into its two directions.
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
            expectations: Expectations::default(),
            unsolicited_bytes: 0,
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

/// State shared by both directions.
#[derive(Debug)]
struct ConnectionState {
    requester: Requester,
    /// The server's first bytes.
    opening: Opening,
    in_flight: InFlight,
    expectations: Expectations,
    /// Bytes of unsolicited replies since the last one to a request.
    unsolicited_bytes: usize,
    /// When our side was half-closed.
    finished: Option<Instant>,
    chat: bool,
    /// Whether a request without reply has asked the server to close the connection.
    said_goodbye: bool,
    /// Whether the sent data starts like a TLS alert, so that an echo would look like one.
    sent_alert: bool,
    tls: Option<Transform>,
}

impl ConnectionState {
    /// Whether `first`, the server's first bytes, mean that it expected TLS.
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

/// The sending direction.
#[derive(Debug)]
pub struct Sender {
    write: OwnedWriteHalf,
    shared: Arc<SharedState>,
    options: ConnectionOptions,
    wire: Vec<u8>,
    /// Encrypted bytes, with TLS.
    sealed: Vec<u8>,
    /// Number of the next request.
    number: u64,
    /// Requests in `wire` that expect a reply.
    queued: u64,
    /// Bytes written so far.
    sent: u64,
}

impl Sender {
    /// Adds a request to the next write.
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
            if has_reply {
                state.expectations.asked(protocol.expected_reply(payload, typed));
            }
            state.said_goodbye |= !has_reply;
        }
    }

    /// Writes the queued requests at once.
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
        let written = write_all(&mut self.write, &self.wire).await;
        self.sent += self.wire.len() as u64;
        self.wire.clear();
        written
    }

    /// Sends a close_notify, without waiting: if the kernel does not accept it now it is
    /// omitted.
    pub(crate) fn say_goodbye(&mut self) {
        // After a partial record it would be invalid.
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
        let said = write_all(&mut self.write, &self.wire).await;
        self.wire.clear();
        let ended = said.and(self.write.shutdown().await);
        self.shared.lock().finished = Some(Instant::now());
        ended
    }
}

/// Writes all of `bytes`. Unlike tokio's, it goes on after a signal (EINTR).
async fn write_all(write: &mut OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write.write(bytes).await {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
