//! One small request after the other, and how long each reply took: [`run`]. Requests fall
//! due on a grid that replies, losses and reconnects do not move. Formats nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use echo_net::address::Address;
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

/// How to ping.
#[derive(Debug, Clone)]
pub struct PingPlan {
    /// Whom.
    pub address: Address,
    /// From one request to the next; zero: each as soon as the one before it has ended.
    pub interval: Duration,
    /// Requests in total; `None`: no end.
    pub count: Option<u64>,
    /// Bytes of a message.
    pub size: usize,
    /// How long to wait for a connection, its handshake included.
    pub connect_timeout: Duration,
    /// How to speak TLS; `None`: not at all.
    pub tls: Option<Tls>,
    /// How to speak, and how long a request waits for its reply until it counts as lost.
    pub options: ConnectionOptions,
}

impl PingPlan {
    /// The message of request `number`: it tells its number as far as there is room.
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
    /// How long the handshake took, the connection excluded.
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
    /// It fell due while there was no connection.
    NoConnection,
    /// It fell due while the peer took no more bytes.
    Unread,
}

/// What a reply says that is not the echo of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// Whether it is an error reply of the protocol.
    pub is_error: bool,
    /// The status, where the protocol has one and it is none of success.
    pub status: Option<u16>,
    /// What stands before the text of an error reply.
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

/// What happens in the course of a run.
#[derive(Debug)]
pub enum PingEvent<'a> {
    /// The connection is made, inside TLS where that is wanted.
    Connected(SocketAddr, Option<Inside>),
    /// A reply has come.
    Reply {
        /// The number of its request, from 1.
        number: u64,
        /// Bytes of the body; of an error reply, with what stands before it.
        bytes: usize,
        /// From the sending of the request.
        round_trip: Duration,
        /// Whether the request had been given up as lost.
        late: bool,
        /// What it says, if it is not the echo of the message.
        instead: Option<Said<'a>>,
    },
    /// A reply that no request asked for.
    Unasked(Said<'a>),
    /// A request is lost.
    Lost(u64, Loss),
    /// The connection is lost, for this reason.
    Broken(String),
    /// There is no connection, and this attempt to make one has failed.
    Failed(ConnectError),
    /// There is a connection again, after so long without.
    Reconnected(SocketAddr, Duration),
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The first connection could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Whoever is told does not listen any more.
    #[error(transparent)]
    Told(SessionError),
}

impl From<io::Error> for PingError {
    fn from(error: io::Error) -> Self {
        Self::Told(SessionError::Output(error))
    }
}

/// From a connection that was of no use, or a failed attempt to make one, to the next.
const RETRY: Duration = Duration::from_millis(250);

/// Pings until the count is reached, telling `tell` what happens. A connection that breaks
/// is reconnected. May be dropped at any time.
///
/// # Errors
/// When the first connection can't be made, and when `tell` fails.
pub async fn run(
    plan: &PingPlan,
    mut tell: impl FnMut(PingEvent<'_>) -> io::Result<()>,
) -> Result<(), PingError> {
    let mut link = plan.connect().await?;
    if let Ok(peer) = link.stream.peer_addr() {
        tell(PingEvent::Connected(peer, Inside::of(&link)))?;
    }
    let mut sequence = Sequence::new(plan.interval, plan.count, Instant::now());
    loop {
        let mut session = PingSession::new(plan, link);
        let Some(reason) = session.talk(plan, &mut sequence, &mut tell).await? else {
            return Ok(());
        };
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
        if let Ok(peer) = link.stream.peer_addr() {
            tell(PingEvent::Reconnected(peer, broken.elapsed()))?;
        }
    }
}

/// A new connection, after a pause if the last one was of no use; `None` if the last request
/// falls due before there is one. What falls due meanwhile is lost.
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
        // Without a grid each attempt stands for one request.
        if plan.interval.is_zero() {
            lose_due(sequence, tell)?;
        }
        pause = true;
    }
}

/// What `done` gives; `None` if the last request falls due before it. What falls due
/// meanwhile is lost.
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

/// Waits for an instant; for ever if there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
