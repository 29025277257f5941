//! Round-trip times of single requests: [`run`]. Requests are due at fixed intervals, which
//! replies, losses and reconnects do not shift.

use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use echo_net::address::{Address, SocketAddress};
use echo_proto::{Outcome, ProtocolKind, Reply};
use tokio::time::{sleep, sleep_until};

use crate::connection::ConnectionOptions;
use crate::error::{ConnectError, SessionError};
use crate::link::{Link, Tls};

mod sequence;
mod session;
mod statistics;

use sequence::Sequence;
use session::PingSession;
pub use statistics::{PERCENTILES, Percentile, Statistics};

/// Settings of a ping.
#[derive(Debug, Clone)]
pub struct PingPlan {
    /// The server.
    pub address: Address,
    /// Interval between requests; zero: each is sent after the previous one has ended.
    pub interval: Duration,
    /// Number of requests; `None`: unlimited.
    pub count: Option<u64>,
    /// Message size in bytes.
    pub size: usize,
    /// Connect timeout, TLS handshake included.
    pub connect_timeout: Duration,
    /// TLS settings; `None`: plaintext.
    pub tls: Option<Tls>,
    /// Connection options; their timeout is how long a request waits until it counts as lost.
    pub options: ConnectionOptions,
}

impl PingPlan {
    /// The message of request `number`, which contains the number if there is room.
    fn message(&self, number: u64) -> Vec<u8> {
        let mut message = format!("ping {number} ").into_bytes();
        message.resize(self.size, b'.');
        message
    }

    async fn connect(&self) -> Result<Link, ConnectError> {
        Link::open(&self.address, self.tls.as_ref(), self.connect_timeout).await
    }
}

/// The TLS of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// Its version.
    pub version: &'static str,
    /// Duration of the handshake, without connecting.
    pub handshake: Duration,
}

impl Inside {
    fn of(link: &Link) -> Option<Self> {
        let handshake = link.tls.as_ref()?.took;
        Some(Self { version: link.version()?, handshake })
    }
}

/// Why a request is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// No reply came within the timeout.
    Timeout,
    /// The connection broke before the reply came.
    Broken,
    /// It was due while there was no connection.
    NoConnection,
    /// It was due while the send buffer was full.
    Unread,
}

/// A reply other than the echo of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// Whether it is an error reply of the protocol.
    pub is_error: bool,
    /// The status code, in protocols that have one, unless it is a success.
    pub status: Option<u16>,
    /// The prefix of an error reply.
    pub prefix: &'static [u8],
    /// The reply without framing and prefix.
    pub body: &'a [u8],
}

impl<'a> Said<'a> {
    fn of(reply: Reply<'a>, protocol: ProtocolKind) -> Self {
        let is_error = reply.outcome == Outcome::Error;
        let prefix = if is_error { protocol.reply_prefix(reply.outcome) } else { b"" };
        Self { is_error, status: reply.status.filter(|_| is_error), prefix, body: reply.body }
    }
}

/// An event during a run.
#[derive(Debug)]
pub enum PingEvent<'a> {
    /// The connection is established, with TLS if requested.
    Connected(SocketAddress, Option<Inside>),
    /// A reply has come.
    Reply {
        /// The number of its request, from 1.
        number: u64,
        /// Bytes of the body; of an error reply, with its prefix.
        bytes: usize,
        /// Since the request was sent.
        round_trip: Duration,
        /// Whether the request had already been counted as lost.
        late: bool,
        /// The reply, if it is not the echo of the message.
        instead: Option<Said<'a>>,
    },
    /// An unsolicited reply.
    Unasked(Said<'a>),
    /// A request is lost.
    Lost(u64, Loss),
    /// The connection broke, for this reason.
    Broken(String),
    /// An attempt to reconnect has failed.
    Failed(ConnectError),
    /// Reconnected, after this time without a connection.
    Reconnected(SocketAddress, Duration),
}

/// Why a run was aborted.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The first connection attempt failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The event callback failed.
    #[error(transparent)]
    Told(SessionError),
}

impl From<io::Error> for PingError {
    fn from(error: io::Error) -> Self {
        Self::Told(SessionError::Output(error))
    }
}

/// Pause between a useless connection, or a failed attempt, and the next one.
const RETRY: Duration = Duration::from_millis(250);

/// Sends requests until the count is reached, and calls `tell` with events. A broken connection
/// is reconnected. Cancellation-safe.
///
/// # Errors
/// When the first connection attempt fails, and when `tell` fails.
pub async fn run(
    plan: &PingPlan,
    mut tell: impl FnMut(PingEvent<'_>) -> io::Result<()>,
) -> Result<(), PingError> {
    let mut link = plan.connect().await?;
    if let Ok(peer) = SocketAddress::of_peer(&link.stream) {
        tell(PingEvent::Connected(peer, Inside::of(&link)))?;
    }
    let mut sequence = Sequence::new(plan.interval, plan.count, Instant::now());
    // Whether the server has ever replied.
    let mut proven = false;
    loop {
        let mut session = PingSession::new(plan, link);
        let Some(reason) = session.talk(plan, &mut sequence, &mut tell).await? else {
            return Ok(());
        };
        // Under TLS 1.3 this comes after the handshake, and every connection ends so.
        proven |= session.has_answered();
        if let Some(fault) = session.take_refusal().filter(|_| !proven) {
            return Err(
                ConnectError::Tls { address: Box::new(plan.address.clone()), fault }.into()
            );
        }
        let broken = Instant::now();
        tell(PingEvent::Broken(reason))?;
        for number in sequence.abandon() {
            tell(PingEvent::Lost(number, Loss::Broken))?;
        }
        let useless = !session.has_answered();
        drop(session);
        let Some(again) = reconnect(plan, useless, &mut sequence, &mut tell).await? else {
            return Ok(());
        };
        link = again;
        if let Ok(peer) = SocketAddress::of_peer(&link.stream) {
            tell(PingEvent::Reconnected(peer, broken.elapsed()))?;
        }
    }
}

/// Reconnects, after a pause if the last connection was useless; `None` if the last request is
/// due before that. Requests due meanwhile are lost.
async fn reconnect(
    plan: &PingPlan,
    mut pause: bool,
    sequence: &mut Sequence,
    tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
) -> Result<Option<Link>, PingError> {
    loop {
        if pause && lose_until(sequence, tell, sleep(RETRY)).await?.is_none() {
            return Ok(None);
        }
        match lose_until(sequence, tell, plan.connect()).await? {
            None => return Ok(None),
            Some(Ok(link)) => return Ok(Some(link)),
            Some(Err(error)) => tell(PingEvent::Failed(error))?,
        }
        // Without an interval each attempt counts as one request.
        if plan.interval.is_zero() {
            lose_due(sequence, tell)?;
        }
        pause = true;
    }
}

/// The result of `done`; `None` if the last request is due before it. Requests due meanwhile
/// are lost.
async fn lose_until<T>(
    sequence: &mut Sequence,
    tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
    done: impl Future<Output = T>,
) -> Result<Option<T>, PingError> {
    let mut done = pin!(done);
    while !sequence.is_over() {
        tokio::select! {
            done = &mut done => return Ok(Some(done)),
            () = at(sequence.next_on_grid()) => lose_due(sequence, tell)?,
        }
    }
    Ok(None)
}

fn lose_due(
    sequence: &mut Sequence,
    tell: &mut impl FnMut(PingEvent<'_>) -> io::Result<()>,
) -> Result<(), PingError> {
    match sequence.take(Instant::now()) {
        Some(number) => Ok(tell(PingEvent::Lost(number, Loss::NoConnection))?),
        None => Ok(()),
    }
}

/// Waits for an instant; forever if there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
