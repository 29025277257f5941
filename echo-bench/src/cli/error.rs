//! Why what was typed is no plan: [`RunArgsError`].

use std::path::PathBuf;

use echo_client::EndpointError;
use echo_proto::InvalidHttpHost;
use echo_server::cli::InvalidTcpArgs;

use echo_bench_engine::messages::{InvalidHistogram, InvalidMessages, InvalidSize};
use echo_bench_engine::plan::{PlanError, Until};
use echo_bench_engine::schedule::InvalidRecording;

/// What was typed is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RunArgsError {
    /// A combination that can't be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file of messages that can't be read.
    #[error("reading --message-file {path}: {reason}")]
    MessageFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file of recorded instants that can't be read.
    #[error("reading --arrivals {path}: {reason}")]
    Arrivals {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file of recorded instants that holds something else.
    #[error("--arrivals: {0}")]
    Recording(#[from] InvalidRecording),
    /// One rate or length beside several.
    #[error("leave {flag} out with {with}, which says when requests fall due and for how long")]
    OneRate {
        /// What says it.
        flag: &'static str,
        /// What says it better.
        with: &'static str,
    },
    /// Two files that are stdin.
    #[error("{0} and {1} can't both read stdin: name a file")]
    TwiceStdin(&'static str, &'static str),
    /// An objective that no stage can meet.
    #[error(
        "--slo {0} needs a --stage with one rate: ramps and recorded instants have no \
         percentiles (rps and errors are judged)"
    )]
    NoConstantStage(String),
    /// An output that is of the whole run.
    #[error(
        "--hgrm is the distribution of one rate: leave it out with --stage, --ramp and \
         --arrivals (the report has the histogram of each stage, --hlog that of each interval)"
    )]
    HgrmOfStages,
    /// Parts that would be of different plans.
    #[error("--part needs --seed N, the same for every part")]
    PartWithoutSeed,
    /// One process, or none.
    #[error("--agents must be at least 2 (one process needs no --agents)")]
    FewAgents,
    /// A flag that only one process can have.
    #[error("--agents can't be combined with {flag}: {reason}")]
    NotOfAgents {
        /// The flag.
        flag: &'static str,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// A URL that says something else than the flags.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A URL whose path would be the message, beside another message.
    #[error(
        "the URL's path `{0}` is the message: leave out --size, --message and --message-file"
    )]
    PathAndMessage(String),
    /// A target whose name can't stand in a `Host` header.
    #[error("{0} (name it with --http-host)")]
    Host(#[from] InvalidHttpHost),
    /// A flag of chats without a chat.
    #[error("--chat-deaf needs --protocol chat")]
    DeafWithoutChat,
    /// A flag of PostgreSQL without it.
    #[error("--pg-simple needs --protocol postgres")]
    SimpleWithoutPostgres,
    /// A flag of the Redis protocol without it.
    #[error("--resp3 needs --protocol resp")]
    Resp3WithoutResp,
    /// A user of a Redis who can't log in.
    #[error(
        "the URL names a user, who can't log in without a password: set REDISCLI_AUTH, or leave \
         the user out"
    )]
    UserWithoutPassword,
    /// A file that holds no messages, or more than a report has room for.
    #[error("--message-file {0}")]
    Messages(#[from] InvalidMessages),
    /// A histogram of sizes that can't be read.
    #[error("reading --size file:{path}: {reason}")]
    SizeFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file that is no histogram of sizes.
    #[error("--size file:{path}: {reason}")]
    Histogram {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: InvalidHistogram,
    },
    /// Sizes above what the server takes.
    #[error("--size: {0}")]
    Size(InvalidSize),
    /// A message above what the server takes.
    #[error(
        "message {number} has {size} bytes, and the server takes {most} (raise --server-max-message)"
    )]
    LargeMessage {
        /// Which, from 1.
        number: usize,
        /// Its bytes.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// More connections than can be numbered.
    #[error("--conns {0} is too many")]
    Connections(u64),
    /// Members of a chat neither wait for replies nor share the work.
    #[error(
        "{0} means nothing with --protocol chat: members do not wait for replies, and one thread \
         drives all of them"
    )]
    NotInChat(&'static str),
    /// Flags of the embedded server with a target that is none.
    #[error("--server-... flags are for the embedded server; leave the target out to start it")]
    ServerFlags,
    /// The same with a server that a command starts.
    #[error("--server-... flags are for the embedded server; --exec starts another one")]
    ExecAndServerFlags,
    /// A server that would not start.
    #[error("{0}")]
    Server(String),
    /// An option that the kernel would not take.
    #[error(transparent)]
    Tcp(#[from] InvalidTcpArgs),
    /// A flag of TLS without TLS.
    #[error("{0} needs --tls, or a URL of https or rediss")]
    NeedsTls(&'static str),
    /// A run that ends with its first interval anyway.
    #[error(
        "--until {0} looks at the end of intervals: --duration must be at least 2 x --interval"
    )]
    NoLook(Until),
    /// A CPU that this process must not use.
    #[error("--pin: CPU {cpu} is not available to this process (available: {available:?})")]
    Cpu {
        /// As typed.
        cpu: usize,
        /// What there is.
        available: Vec<usize>,
    },
    /// Only the server would speak TLS.
    #[error(
        "--server-tls-... and --server-client-ca make the embedded server speak TLS: give --tls too"
    )]
    ServerTls,
}
