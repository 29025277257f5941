//! One small request after the other, and how long each reply took: [`run`]. Requests fall
//! due on a grid that replies, losses and reconnects do not move. Formats nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_proto::{Outcome, Reply, Request as _, Requester};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until};

use crate::connect::connect;
use crate::connection::Options;
use crate::error::{ConnectError, SessionError, words};

mod sequence;
mod statistics;

use sequence::{Answered, Sequence};
pub use statistics::{PERCENTILES, Percentile, Statistics};

/// How to ping.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom.
    pub address: Address,
    /// From one request to the next; zero: each as soon as the one before it has ended.
    pub interval: Duration,
    /// Requests in total; `None`: no end.
    pub count: Option<u64>,
    /// Bytes of a message.
    pub size: usize,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How to speak, and how long a request waits for its reply until it counts as lost.
    pub options: Options,
}

impl Plan {
    /// The message of request `number`: it tells its number as far as there is room.
    fn message(&self, number: u64) -> Vec<u8> {
        let mut message = format!("ping {number} ").into_bytes();
        message.resize(self.size, b'.');
        message
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

/// What happens in the course of a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection is made.
    Connected(SocketAddr),
    /// A reply has come.
    Reply {
        /// The number of its request, from 1.
        number: u64,
        /// Bytes of the body.
        bytes: usize,
        /// From the sending of the request.
        round_trip: Duration,
        /// Whether the request had been given up as lost.
        late: bool,
        /// The body, if it is not the echo of the message.
        instead: Option<&'a [u8]>,
    },
    /// A reply that no request asked for.
    Unasked(&'a [u8]),
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

/// Bytes of one read.
const READ_BUFFER: usize = 64 * 1024;

/// Bytes that may wait for the peer to read, beside one message.
const UNREAD: usize = 256 * 1024;

/// Requests without a reply after which a connection is given up.
const UNANSWERED: usize = 10_000;

/// From a connection that was of no use, or a failed attempt to make one, to the next.
const RETRY: Duration = Duration::from_millis(250);

/// Pings until the count is reached, telling `tell` what happens. A connection that breaks
/// is made again. May be dropped at any time.
///
/// # Errors
/// When the first connection can't be made, and when `tell` fails.
pub async fn run(
    plan: &Plan,
    mut tell: impl FnMut(Event<'_>) -> io::Result<()>,
) -> Result<(), PingError> {
    let mut stream = connect(&plan.address, plan.connect_timeout).await?;
    if let Ok(peer) = stream.peer_addr() {
        tell(Event::Connected(peer))?;
    }
    let mut sequence = Sequence::new(plan.interval, plan.count, Instant::now());
    loop {
        let mut link = Link::new(plan, stream);
        let Some(reason) = link.talk(plan, &mut sequence, &mut tell).await? else {
            return Ok(());
        };
        let broken = Instant::now();
        tell(Event::Broken(reason))?;
        for number in sequence.abandon() {
            tell(Event::Lost(number, Loss::Broken))?;
        }
        let useless = !link.answered;
        drop(link);
        let Some(again) = reconnect(plan, useless, &mut sequence, &mut tell).await? else {
            return Ok(());
        };
        stream = again;
        if let Ok(peer) = stream.peer_addr() {
            tell(Event::Reconnected(peer, broken.elapsed()))?;
        }
    }
}

/// A new connection, after a pause if the last one was of no use; `None` if the last request
/// falls due before there is one. What falls due meanwhile is lost.
async fn reconnect(
    plan: &Plan,
    mut pause: bool,
    sequence: &mut Sequence,
    tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
) -> Result<Option<TcpStream>, PingError> {
    loop {
        if pause && lose_until(sequence, tell, sleep(RETRY)).await?.is_none() {
            return Ok(None);
        }
        let attempt = connect(&plan.address, plan.connect_timeout);
        match lose_until(sequence, tell, attempt).await? {
            None => return Ok(None),
            Some(Ok(stream)) => return Ok(Some(stream)),
            Some(Err(error)) => tell(Event::Failed(error))?,
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
    tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
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
    tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
) -> Result<(), PingError> {
    match sequence.take(Instant::now()) {
        Some(number) => Ok(tell(Event::Lost(number, Loss::NoConnection))?),
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

/// One connection.
struct Link {
    stream: TcpStream,
    requester: Requester,
    /// What the peer has not taken yet.
    unsent: Vec<u8>,
    buffer: Vec<u8>,
    /// Whether a reply has come.
    answered: bool,
}

impl Link {
    fn new(plan: &Plan, stream: TcpStream) -> Self {
        let limit = plan.options.max_message.max(plan.size);
        let requester = plan.options.protocol.requester(limit);
        let buffer = vec![0; READ_BUFFER];
        Self { stream, requester, unsent: Vec::new(), buffer, answered: false }
    }

    /// Pings until the sequence is over (`None`) or the connection of no more use (why).
    async fn talk(
        &mut self,
        plan: &Plan,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<Option<String>, PingError> {
        let timeout = plan.options.timeout;
        loop {
            if let Err(error) = self.send_due(plan, sequence, tell)? {
                return Ok(Some(words(&error)));
            }
            for number in sequence.expire(Instant::now(), timeout) {
                tell(Event::Lost(number, Loss::Timeout))?;
            }
            if sequence.is_over() {
                return Ok(None);
            }
            if sequence.unanswered() > UNANSWERED {
                return Ok(Some(format!("{UNANSWERED} requests are unanswered")));
            }
            let received = tokio::select! {
                ready = self.stream.readable() => ready.and_then(|()| self.read()),
                ready = self.stream.writable(), if !self.unsent.is_empty() => {
                    match ready.and_then(|()| self.write()) {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    }
                }
                () = at(sequence.next_event(timeout)) => continue,
            };
            let arrived = Instant::now();
            match received {
                Ok(Some(0)) => return Ok(Some("the server closed the connection".into())),
                Ok(Some(length)) => {
                    if let Some(reason) = self.settle(plan, length, arrived, sequence, tell)? {
                        return Ok(Some(reason));
                    }
                }
                Ok(None) => {}
                Err(error) => return Ok(Some(words(&error))),
            }
        }
    }

    /// Sends what is due; the inner error is the connection's.
    fn send_due(
        &mut self,
        plan: &Plan,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<io::Result<()>, PingError> {
        while let Some(number) = sequence.take(Instant::now()) {
            if self.unsent.len() > UNREAD {
                tell(Event::Lost(number, Loss::Unread))?;
                continue;
            }
            let message = plan.message(number);
            self.requester.encode(number, &message, &mut self.unsent);
            sequence.sent(number, Instant::now());
            if let Err(error) = self.write() {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Writes as much as the peer takes.
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there; `None` if nothing is after all.
    fn read(&mut self) -> io::Result<Option<usize>> {
        match self.stream.try_read(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            read => read.map(Some),
        }
    }

    /// Tells the replies that the bytes just read complete; why the connection is of no more
    /// use, if it is not.
    fn settle(
        &mut self,
        plan: &Plan,
        length: usize,
        arrived: Instant,
        sequence: &mut Sequence,
        tell: &mut impl FnMut(Event<'_>) -> io::Result<()>,
    ) -> Result<Option<String>, PingError> {
        let (mut told, unanswered) = (Ok(()), sequence.unanswered());
        let decoded = self.requester.decode(&self.buffer[..length], |reply| {
            if told.is_ok() {
                told = tell(event(plan, reply, sequence.answered(arrived).as_ref()));
            }
        });
        told?;
        self.answered |= sequence.unanswered() < unanswered;
        let protocol = plan.options.protocol;
        Ok(decoded.err().map(|why| format!("not a reply of the {protocol} protocol: {why}")))
    }
}

fn event<'a>(plan: &Plan, reply: Reply<'a>, answered: Option<&Answered>) -> Event<'a> {
    let Some(&Answered { number, round_trip, late }) = answered else {
        return Event::Unasked(reply.body);
    };
    let echoed = reply.outcome == Outcome::Echo && reply.body == plan.message(number);
    Event::Reply {
        number,
        bytes: reply.body.len(),
        round_trip,
        late,
        instead: (!echoed).then_some(reply.body),
    }
}
