//! Whether a plan can be carried out: [`Plan::validated`], and why not: [`PlanError`].

use echo_net::Nanos;
use echo_net::clock::SECOND;
use echo_proto::{ProtocolKind, UnfitMessage};

use super::{Load, MessagePlan, Plan, PoolPlan, StopRule};
use crate::messages::Verify;

/// Most bytes that the requests in flight on one connection may hold: they may all have to
/// be encoded at once.
const LARGEST_BATCH: u64 = 256 << 20;

/// Most members of a chat room: who has heard what of whom is kept for each pair.
const MOST_MEMBERS: u32 = 2000;

/// Longest time of a plan: the instants of a run are sums of several, in 64 bits of
/// nanoseconds, which are 584 years.
const LONGEST: Nanos = 100 * 365 * 24 * 3600 * SECOND;

/// Bytes by which a generated message can be told from any other.
const LEAST_STAMPED: usize = 12;

/// What a request in flight takes at least, however short its message.
const SMALLEST_SLOT: usize = 64;

/// Why a combination of settings is no plan. Each names the flag and the remedy.
#[derive(Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it all")]
pub enum PlanError {
    #[error("--conns must be at least 1")]
    NoConnections,
    #[error("--conns {0} exceeds the maximum of 16777216")]
    TooManyConnections(u32),
    #[error("--threads must be at least 1")]
    NoThreads,
    #[error("--pipeline must be at least 1")]
    NoPipeline,
    #[error(
        "--pipeline {pipeline} x messages of {message} bytes is over the 256 MiB that may be in \
         flight on a connection: lower --pipeline or --size"
    )]
    HugeBatch { pipeline: u32, message: usize },
    #[error("--duration must be above 0")]
    NoDuration,
    #[error("--requests must be at least 1")]
    NoRequests,
    #[error("--timeout must be above 0")]
    NoTimeout,
    #[error("{0} must be at most 876000h (100 years)")]
    HugeTime(&'static str),
    #[error("--interval must be at least 10ms")]
    ShortInterval,
    #[error("--split-writes must be at least 1")]
    NoWrites,
    #[error("--streams must be 1 to 65536")]
    Streams,
    #[error("--streams {0} needs --protocol mux, the one with streams")]
    StreamsWithoutMux(u32),
    #[error("--protocol chat needs --rate: members speak on a schedule")]
    ChatWithoutRate,
    #[error("--protocol chat needs 2 to {MOST_MEMBERS} members (--conns) who are not deaf")]
    ChatMembers,
    #[error(
        "--protocol chat checks every delivery by its text: it needs generated messages (--size) of \
         at least 12 bytes, whole, with --verify full and a --duration"
    )]
    ChatMessages,
    #[error(
        "--pool has callers with one request at a time each: leave {0} out (for more load raise \
         --conns, the number of callers)"
    )]
    NotWithPool(&'static str),
    #[error(
        "--threads {threads} exceeds --pool {size}: each thread has its own part of the pool, so \
         lower --threads or raise --pool"
    )]
    PoolThreads { threads: u32, size: u32 },
    #[error("--reconnect-after must be at least 1")]
    NoReconnect,
    #[error("--reconnect-after has no effect with {0}: leave it out")]
    ReconnectWith(&'static str),
    #[error("--chat-deaf needs --protocol chat")]
    DeafWithoutChat,
    #[error("--size {0} is above the limit of a message (at most 1GiB)")]
    HugeMessage(usize),
    #[error("--size {min}-{max}: the first must not be above the second")]
    SizesReversed { min: usize, max: usize },
    #[error("--message-file holds no message")]
    NoMessages,
    #[error("message {number} can't be sent with --protocol {protocol}: {reason}")]
    UnfitMessage { number: usize, protocol: ProtocolKind, reason: UnfitMessage },
}

impl Plan {
    /// This plan, if it can be carried out.
    ///
    /// # Errors
    /// What is wrong with it, by flag.
    pub fn validated(mut self) -> Result<Self, PlanError> {
        self.check_numbers()?;
        self.check_times()?;
        self.check_messages()?;
        self.check_chat()?;
        self.check_pool()?;
        let (pipeline, message) = (self.load.pipeline(), self.largest_message());
        let batch = u64::from(pipeline).saturating_mul(message.max(SMALLEST_SLOT) as u64);
        if pipeline > 1 && batch > LARGEST_BATCH {
            return Err(PlanError::HugeBatch { pipeline, message });
        }
        // A thread without a connection has nothing to do.
        self.threads = self.threads.min(self.connections);
        self.schedule_digest = match self.load {
            Load::Closed { .. } => None,
            Load::Open { rate_per_s, arrival, .. } => {
                Some(crate::schedule::digest(self.seed, rate_per_s, arrival, self.speakers()))
            }
        };
        Ok(self)
    }

    fn check_numbers(&self) -> Result<(), PlanError> {
        let wrong = match self.stop {
            StopRule::Duration { duration_ns: 0 } => Some(PlanError::NoDuration),
            StopRule::Requests { requests: 0 } => Some(PlanError::NoRequests),
            _ if self.connections == 0 => Some(PlanError::NoConnections),
            _ if self.connections > 1 << 24 => {
                Some(PlanError::TooManyConnections(self.connections))
            }
            _ if self.threads == 0 => Some(PlanError::NoThreads),
            _ if self.load.pipeline() == 0 => Some(PlanError::NoPipeline),
            _ if self.timeout_ns == 0 => Some(PlanError::NoTimeout),
            _ if self.interval_ns < SECOND / 100 => Some(PlanError::ShortInterval),
            _ if self.split_writes == 0 => Some(PlanError::NoWrites),
            _ if self.reconnect_after == Some(0) => Some(PlanError::NoReconnect),
            _ if self.reconnect_after.is_some() && self.chat.is_some() => {
                Some(PlanError::ReconnectWith("--protocol chat"))
            }
            _ if self.reconnect_after.is_some() && self.pool == Some(PoolPlan { size: 0 }) => {
                Some(PlanError::ReconnectWith("--pool 0"))
            }
            _ if !(1..=1 << 16).contains(&self.streams) => Some(PlanError::Streams),
            _ if self.streams > 1 && self.protocol != ProtocolKind::Mux => {
                Some(PlanError::StreamsWithoutMux(self.streams))
            }
            _ => None,
        };
        wrong.map_or(Ok(()), Err)
    }

    fn check_times(&self) -> Result<(), PlanError> {
        let duration_ns = match self.stop {
            StopRule::Duration { duration_ns } => duration_ns,
            StopRule::Requests { .. } => 0,
        };
        let huge = [
            ("--duration", duration_ns),
            ("--warmup", self.warmup_ns),
            // Before the drain, which is as long where it was not typed.
            ("--timeout", self.timeout_ns),
            ("--drain", self.drain_ns),
            ("--interval", self.interval_ns),
        ]
        .into_iter()
        .find(|&(_, time)| time > LONGEST);
        huge.map_or(Ok(()), |(flag, _)| Err(PlanError::HugeTime(flag)))
    }

    fn check_chat(&self) -> Result<(), PlanError> {
        if self.chat.is_none() {
            return Ok(());
        }
        let hearing = self.speakers();
        let checked = matches!(self.messages,
            MessagePlan::Generated { min_bytes, .. } if min_bytes >= LEAST_STAMPED)
            && self.verify == Verify::Full
            && self.split_writes == 1
            && matches!(self.stop, StopRule::Duration { .. });
        match () {
            () if !self.load.is_open() => Err(PlanError::ChatWithoutRate),
            () if hearing < 2 || self.connections > MOST_MEMBERS => Err(PlanError::ChatMembers),
            () if !checked => Err(PlanError::ChatMessages),
            () => Ok(()),
        }
    }

    fn check_pool(&self) -> Result<(), PlanError> {
        let Some(PoolPlan { size }) = self.pool else { return Ok(()) };
        let meaningless = [
            ("--protocol chat", self.chat.is_some()),
            ("--pipeline", self.load.pipeline() > 1),
            ("--streams", self.streams > 1),
        ];
        match meaningless.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(PlanError::NotWithPool(flag)),
            None if size > 0 && self.threads > size => {
                Err(PlanError::PoolThreads { threads: self.threads, size })
            }
            None => Ok(()),
        }
    }

    fn check_messages(&self) -> Result<(), PlanError> {
        let check = |number: usize, text: &[u8]| {
            self.protocol.check_message(text).map_err(|reason| PlanError::UnfitMessage {
                number,
                protocol: self.protocol,
                reason,
            })
        };
        match &self.messages {
            MessagePlan::Generated { min_bytes, max_bytes } => {
                let (min, max) = (*min_bytes, *max_bytes);
                if min > max {
                    return Err(PlanError::SizesReversed { min, max });
                }
                if max > 1 << 30 {
                    return Err(PlanError::HugeMessage(max));
                }
                check(1, &b"x"[..min.min(1)])
            }
            MessagePlan::Given { texts, .. } if texts.is_empty() => Err(PlanError::NoMessages),
            MessagePlan::Given { texts, .. } => {
                texts.iter().enumerate().try_for_each(|(i, text)| check(i + 1, text.as_bytes()))
            }
        }
    }
}
