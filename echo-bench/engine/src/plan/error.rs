//! Why a combination of settings is no plan: [`PlanError`].

use echo_proto::{InvalidLogin, ProtocolKind, UnfitMessage};

use super::validity::{MOST_MEMBERS, MOST_STAGES};
use super::{MOST_PARTS, Part};

/// Why a combination of settings is no plan. Each names the flag and the remedy.
#[derive(Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it all")]
pub enum PlanError {
    #[error("--conns must be at least 1")]
    NoConnections,
    #[error("--conns {0} exceeds the maximum of 16777216")]
    TooManyConnections(u32),
    #[error("--part must be K/N with K from 1 to N, and N at most {MOST_PARTS}")]
    Part,
    #[error(
        "--part {part}: {connections} connections can't be shared by {} parts: raise --conns or take \
         fewer parts", part.of
    )]
    ManyParts { part: Part, connections: u32 },
    #[error("--part can't be combined with {flag}: {reason}")]
    NoParts { flag: &'static str, reason: &'static str },
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
    #[error(
        "--until needs a --duration, and not --requests: the run is looked at at fixed times"
    )]
    UntilRequests,
    #[error("--until needs a percentile and a share above 0 and below 100 %")]
    Until,
    #[error("--requests must be at least 1")]
    NoRequests,
    #[error("{0} must be above 0")]
    NoRate(&'static str),
    #[error("--rate, --stage or --ramp: {0} per second exceeds the maximum of 100M")]
    HugeRate(f64),
    #[error("--stage and --ramp need a rate above 0 and a time above 0")]
    NoStage,
    #[error("the stages of a load make its length: leave {0} out")]
    StagesWith(&'static str),
    #[error("{0} stages and ramps are too many (at most {MOST_STAGES})")]
    ManyStages(usize),
    #[error(
        "the plan holds only the digest of its recorded instants, since they are too many for a \
         report: make the run anew with --arrivals FILE"
    )]
    NoArrivals,
    #[error("--think is a pause of a closed loop: leave it out with a schedule of requests")]
    ThinkWithSchedule,
    #[error("--think must be above 0 (without a pause leave it out)")]
    NoThink,
    #[error(
        "--link is between this program and a server that it starts: leave the target out, or start \
         the server with --exec"
    )]
    LinkToTarget,
    #[error(
        "--link emulates an IP network, which a unix-domain socket does not use: leave --link or \
         --transport unix out"
    )]
    LinkUnix,
    #[error("{0} has no effect on a unix-domain socket, which is not TCP: leave it out")]
    OnlyTcp(&'static str),
    #[error("--source-ip has no effect with --link, whose host has one address: leave it out")]
    LinkSources,
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
    #[error("--protocol chat is driven by one thread: leave --threads {0} out")]
    ChatThreads(u32),
    #[error("{0} (see --help at --protocol)")]
    Login(#[from] InvalidLogin),
    #[error("a chat speaks the line protocol, not {0}")]
    ChatProtocol(ProtocolKind),
    #[error("--http-host needs --protocol http")]
    HostWithoutHttp,
    #[error("--size {0} is above the limit of a message (at most 1GiB)")]
    HugeMessage(usize),
    #[error("--size {min}-{max}: the first must not be above the second")]
    SizesReversed { min: usize, max: usize },
    #[error("the sizes of messages lie outside the limits of the plan")]
    Sizes,
    #[error("--message-file holds no message")]
    NoMessages,
    #[error("message {number} can't be sent with --protocol {protocol}: {reason}")]
    UnfitMessage { number: usize, protocol: ProtocolKind, reason: UnfitMessage },
}
