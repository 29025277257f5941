//! The command line: what was typed ([`Cli`], [`RunArgs`]), and what it means
//! ([`RunArgs::plan`]). The structs here do nothing.

mod compare;
mod stored;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use echo_net::Nanos;
use echo_net::address::Address;
use echo_net::clock::nanos;
use echo_net::settings::{ByteSize, Count, OnOff, Rate, TimeSpan};
use echo_proto::ProtocolKind;
use echo_server::choice::choice;
use echo_server::model::ModelKind;

pub use compare::{CompareArgs, CompareFormat, FailOn, JudgingArgs};
pub use stored::{MergeArgs, ReportArgs};

use crate::embedded::ServerFlags;
use crate::messages::Verify;
use crate::plan::{
    EngineKind, IdleStrategy, Load, MessagePlan, Plan, PlanError, SocketPlan, StopRule, Target,
};
use crate::report::Slo;
use crate::schedule::Arrival;

const EXAMPLES: &str = "\
Examples:
  echo-bench --conns 1000 --duration 30s          load an embedded echo-server
  echo-bench --model epoll --pipeline 16          another concurrency model, pipelined
  echo-bench 127.0.0.1:8080 -c 50 -n 100k         100,000 requests to a running server
  echo-bench --rate 20k --arrival poisson         open loop: latency from the due instant
  echo-bench --rate 5k --slo 'p99<5ms' --strict   gate a build: exit 3 or 4 if it fails
  echo-bench --nodelay off --split-writes 2       see Nagle meet delayed ACKs

Exit codes: 0 done; 1 could not run, or requests failed; 2 usage; 3 an objective was
missed; 4 nothing was measured, or with --strict the generator was the limit;
130/143 interrupted (the partial report is written).";

/// A TCP load generator whose latency numbers can be believed.
#[derive(Debug, Parser)]
#[command(
    name = "echo-bench",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do; without one, a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The run, if no subcommand is given.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put load on a server and report (the default)
    #[command(after_help = EXAMPLES)]
    Run(Box<RunArgs>),
    /// Say what is better or worse, by how much, and how sure that is
    Compare(CompareArgs),
    /// Show a stored report again
    Report(ReportArgs),
    /// Merge reports of one plan into one, losing nothing
    Merge(MergeArgs),
    /// Print the JSON Schema of reports
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The embedded server: an echo-server in a process of its own
    #[command(name = crate::embedded::SUBCOMMAND, hide = true, disable_help_flag = true)]
    Serve {
        /// Its command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

/// A run, as typed.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The server to load, HOST:PORT; without one, an embedded echo-server is started
    #[arg(value_name = "TARGET", help_heading = "Target")]
    pub address: Option<Address>,
    /// The server to load (same as TARGET)
    #[arg(long, value_name = "ADDR", conflicts_with = "address", help_heading = "Target")]
    pub target: Option<Address>,
    /// Process of the server, for its CPU cost (found by itself on this machine)
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub server_pid: Option<u32>,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    messages: MessageArgs,
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    server: EmbeddedArgs,
    /// Where the results go
    #[command(flatten)]
    pub results: ResultArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct LoadArgs {
    /// Connections in total
    #[arg(short, long, value_name = "N", default_value = "10")]
    conns: Count,
    /// Generator threads (default: half of the cores, at least 1)
    #[arg(short, long, value_name = "N")]
    threads: Option<u32>,
    /// Length of the measured window (10s)
    #[arg(short, long, value_name = "TIME")]
    duration: Option<TimeSpan>,
    /// Measured requests, instead of a duration
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    requests: Option<Count>,
    /// Requests in flight per connection (closed loop: 1, open loop: at most 64)
    #[arg(short = 'P', long, value_name = "N")]
    pipeline: Option<u32>,
    /// Open loop: requests per second over all connections, due whatever the server does
    #[arg(short = 'R', long, value_name = "N")]
    rate: Option<Rate>,
    /// Open loop: how requests are spread over time
    #[arg(long, value_parser = choice::<Arrival>(), default_value = "constant", requires = "rate")]
    arrival: Arrival,
    /// Load before the measured window
    #[arg(short, long, value_name = "TIME", default_value = "2s")]
    warmup: TimeSpan,
    /// How long a request waits for its reply, and a connection to be made
    #[arg(long, value_name = "TIME", default_value = "5s")]
    timeout: TimeSpan,
    /// How long to wait for replies after the window (default: the timeout)
    #[arg(long, value_name = "TIME")]
    drain: Option<TimeSpan>,
    /// Seed of schedule and message sizes (default: random, printed)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What moves the generator's bytes
    #[arg(long, value_parser = choice::<EngineKind>(), default_value = "epoll")]
    engine: EngineKind,
    /// How a generator thread waits for the next due request
    #[arg(long, value_parser = choice::<IdleStrategy>(), default_value = "auto")]
    idle: IdleStrategy,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
struct MessageArgs {
    /// Protocol of the target
    #[arg(short, long, value_parser = choice::<ProtocolKind>(), default_value = "line")]
    protocol: ProtocolKind,
    /// Streams of each connection, which its requests take in turn (--protocol mux)
    #[arg(long, value_name = "N", default_value = "1")]
    streams: u32,
    /// Size of generated messages, or a range A-B
    #[arg(short, long, value_name = "SIZE", default_value = "64")]
    size: SizeRange,
    /// Send this text
    #[arg(long, value_name = "TEXT", conflicts_with = "size")]
    message: Option<String>,
    /// Send the lines of this file in turn (- is stdin)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "message"])]
    message_file: Option<PathBuf>,
    /// How replies are checked
    #[arg(long, value_parser = choice::<Verify>(), default_value = "full")]
    verify: Verify,
    /// Send each request in N writes: with Nagle on, this is the 40 ms case
    #[arg(long, value_name = "N", default_value = "1")]
    split_writes: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Sockets")]
struct SocketArgs {
    /// Whether Nagle's algorithm is off
    #[arg(long, value_parser = choice::<OnOff>(), default_value = "on")]
    nodelay: OnOff,
    /// Kernel send buffer
    #[arg(long, value_name = "SIZE")]
    send_buffer: Option<ByteSize>,
    /// Kernel receive buffer
    #[arg(long, value_name = "SIZE")]
    recv_buffer: Option<ByteSize>,
    /// Address to connect from; several take turns
    #[arg(long, value_name = "IP")]
    source_ip: Vec<IpAddr>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Embedded server (any echo-server flag as --server-FLAG)")]
struct EmbeddedArgs {
    /// Concurrency model of the embedded server
    #[arg(long, value_parser = choice::<ModelKind>(), conflicts_with_all = ["address", "target"])]
    model: Option<ModelKind>,
    #[command(flatten)]
    flags: ServerFlags,
}

/// Where the results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct ResultArgs {
    /// Write the report to FILE: a web page if it ends in .html or with --format html, else
    /// JSON (- prints it in place of the text)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_parser = choice::<Format>(), default_value = "text")]
    pub format: Format,
    /// Where reports are kept
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub report_dir: PathBuf,
    /// Keep no report
    #[arg(long)]
    pub no_report: bool,
    /// Note in the report, KEY=VALUE (repeatable)
    #[arg(long, value_name = "K=V", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Length of an interval of the time series
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub interval: TimeSpan,
    /// Write the percentile distribution of the response latency (HDR .hgrm)
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Write the response latency of every interval (HDR .hlog)
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Objective on the response latency, like p99<5ms (repeatable): exit 3 if missed
    #[arg(long, value_name = "SLO")]
    pub slo: Vec<Slo>,
    /// Compare the run with a saved baseline (judged by --threshold and --fail-on)
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Save the run as a baseline
    #[arg(long, value_name = "NAME")]
    pub save_baseline: Option<String>,
    /// How to judge against the baseline
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// Exit 4 if the generator was the limit
    #[arg(long)]
    pub strict: bool,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Formats of the printed report.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// For a terminal.
    Text,
    /// The report itself.
    Json,
    /// Rows for a spreadsheet: the window, and each interval.
    Csv,
    /// For an issue or a pull request.
    Markdown,
    /// A web page in one file, with charts.
    Html,
}

/// A size, or a range of sizes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SizeRange {
    min: usize,
    max: usize,
}

impl std::str::FromStr for SizeRange {
    type Err = echo_net::settings::InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let (min, max): (ByteSize, ByteSize) = (min.parse()?, max.parse()?);
        Ok(Self { min: min.0, max: max.0 })
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a label as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What was typed is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RunArgsError {
    /// A combination that can't be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file of messages that can't be read.
    #[error("reading --message-file {path}: {source}")]
    MessageFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More connections than can be numbered.
    #[error("--conns {0} is too many")]
    Connections(u64),
    /// Flags of the embedded server with a target that is none.
    #[error("--server-... flags are for the embedded server; leave the target out to start it")]
    ServerFlags,
}

impl RunArgs {
    /// What was typed, as a plan.
    ///
    /// # Errors
    /// What is wrong, by flag.
    pub fn plan(&self) -> Result<Plan, RunArgsError> {
        let (load, messages) = (&self.load, &self.messages);
        let connections =
            u32::try_from(load.conns.0).map_err(|_| RunArgsError::Connections(load.conns.0))?;
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let threads = load.threads.unwrap_or((cores / 2).max(1) as u32);
        let threads = threads.min(connections.max(1));
        let target = self.resolve_target(threads, cores)?;
        let timeout_ns = nanos(load.timeout.0);
        let plan = Plan {
            connections,
            threads,
            load: match load.rate {
                None => Load::Closed { pipeline: load.pipeline.unwrap_or(1) },
                Some(rate) => Load::Open {
                    rate_per_s: rate.per_second(),
                    arrival: load.arrival,
                    pipeline: load.pipeline.unwrap_or(64),
                },
            },
            stop: match load.requests {
                Some(requests) => StopRule::Requests { requests: requests.0 },
                None => StopRule::Duration { duration_ns: window(load.duration) },
            },
            warmup_ns: nanos(load.warmup.0),
            timeout_ns,
            drain_ns: load.drain.map_or(timeout_ns, |drain| nanos(drain.0)),
            interval_ns: nanos(self.results.interval.0),
            protocol: messages.protocol,
            streams: messages.streams,
            messages: messages.resolve()?,
            verify: messages.verify,
            split_writes: messages.split_writes,
            socket: SocketPlan {
                nodelay: self.sockets.nodelay.is_on(),
                send_buffer: self.sockets.send_buffer.map(|size| size.0),
                recv_buffer: self.sockets.recv_buffer.map(|size| size.0),
                sources: self.sockets.source_ip.clone(),
            },
            idle: resolve_idle(load.idle, &target, threads, cores),
            engine: load.engine,
            seed: load.seed.unwrap_or_else(random_seed),
            schedule_digest: None,
            target,
        };
        let mut plan = plan.validated()?;
        // Both sides are ours, so what we mean to send is what the server accepts.
        let (largest, protocol) = (plan.largest_message(), plan.protocol);
        if let Target::Embedded { server } = &mut plan.target
            && largest > protocol.default_max_message()
            && !server.iter().any(|flag| flag == "--max-message")
        {
            server.extend(["--max-message".to_owned(), largest.to_string()]);
        }
        Ok(plan)
    }

    fn resolve_target(&self, threads: u32, cores: usize) -> Result<Target, RunArgsError> {
        let flags = &self.server.flags;
        match self.address.as_ref().or(self.target.as_ref()) {
            Some(_) if !flags.is_empty() => Err(RunArgsError::ServerFlags),
            Some(address) => Ok(Target::Address {
                address: address.clone().as_target().to_string(),
                server_pid: self.server_pid,
            }),
            None => {
                let model = self.server.model.unwrap_or_default();
                let workers = cores.saturating_sub(threads as usize).max(1);
                let server = flags.command_line(model, self.messages.protocol, workers);
                Ok(Target::Embedded { server })
            }
        }
    }
}

fn window(typed: Option<TimeSpan>) -> Nanos {
    nanos(typed.map_or(Duration::from_secs(10), |duration| duration.0))
}

/// `auto` is resolved, so that the report says what was done.
fn resolve_idle(
    typed: IdleStrategy,
    target: &Target,
    threads: u32,
    cores: usize,
) -> IdleStrategy {
    let workers = match target {
        Target::Embedded { server } => crate::embedded::workers_of(server),
        Target::Address { .. } => None,
    };
    match (typed, workers) {
        (IdleStrategy::Auto, Some(workers)) if threads as usize + workers <= cores => {
            IdleStrategy::Hybrid
        }
        (IdleStrategy::Auto, _) => IdleStrategy::Sleep,
        (typed, _) => typed,
    }
}

impl MessageArgs {
    fn resolve(&self) -> Result<MessagePlan, RunArgsError> {
        if let Some(text) = &self.message {
            return Ok(MessagePlan::Given { texts: vec![text.clone()] });
        }
        let Some(path) = &self.message_file else {
            let SizeRange { min, max } = self.size;
            return Ok(MessagePlan::Generated { min_bytes: min, max_bytes: max });
        };
        let text = if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let failed = |source| RunArgsError::MessageFile { path: path.clone(), source };
        let texts = text.map_err(failed)?.lines().map(str::to_owned).collect();
        Ok(MessagePlan::Given { texts })
    }
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds this from the system's randomness. Below 2^53, so that
    // every JSON reader gets it back exactly.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
