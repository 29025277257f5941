//! The command line: what was typed ([`Cli`], [`RunArgs`]), and what it means
//! ([`RunArgs::plan`]). The structs here do nothing.

mod baseline;
mod capacity;
mod compare;
mod copied;
mod doctor;
mod error;
mod exec;
mod fleet;
mod groups;
mod history;
mod inputs;
mod link;
mod load;
mod login;
mod messages;
#[cfg(feature = "nats")]
mod nats;
mod pinning;
mod plan;
pub mod plan_file;
mod repeats;
mod rerun;
mod self_check;
mod selftest;
mod server_flags;
mod stored;
mod sweep;
pub mod swept;
mod tls;
mod typed;

use clap::{Arg, Args, ColorChoice, Parser, Subcommand};

use echo_client::Endpoint;
use echo_manual::{MORE, Pages, only};
use echo_net::address::Transport;
use echo_net::settings::TimeSpan;
use echo_server::choice::choice;

use echo_bench_report::schema::Kind;

pub use baseline::{BaselineCommand, BaselinePlace};
pub use capacity::{CapacityArgs, CapacityArgsError, PlannedCapacity};
pub use compare::{CompareArgs, CompareArgsError, FailOn, JudgingArgs, SidePlace, Sides};
pub use doctor::DoctorArgs;
pub use error::RunArgsError;
pub use fleet::StartAt;
pub use groups::ResultArgs;
pub use history::HistoryArgs;
pub use inputs::Inputs;
pub use link::ForwardArgs;
#[cfg(feature = "nats")]
pub use nats::{AgentArgs, CollectArgs, NatsArgs, OnAgents, OnAgentsError};
pub use repeats::RepeatsError;
pub use rerun::{RerunArgs, RerunArgsError};
pub use self_check::{SelfCheckArgs, SelfCheckArgsError};
pub use selftest::{SelftestArgs, SelftestArgsError, ServeFaultsArgs};
pub use stored::{ListArgs, ListFormat, MergeArgs, ReportArgs};
pub use sweep::{SweepArgs, SweepArgsError};

/// The hidden subcommand by which the binary makes a run of a sweep.
pub(crate) const CELL: &str = "run-cell";

/// The hidden subcommand by which the binary is a fault server.
pub(crate) const SERVE_FAULTS: &str = "serve-faults";

use exec::ExecArgs;
use fleet::FleetArgs;
use groups::{EmbeddedArgs, LoadArgs, MessageArgs, SocketArgs};
use link::LinkArgs;
use tls::TlsArgs;
use typed::TypedFlags;

const EXAMPLES: &str = "\
Examples:
  echo-bench --conns 1000 --duration 30s          load an embedded echo-server
  echo-bench --model epoll --pipeline 16          another model, pipelined
  echo-bench 127.0.0.1:8080 -c 50 -n 100k         100,000 requests to a server
  echo-bench unix:/run/echo/echo.sock             a unix-domain socket
  echo-bench --exec 'redis-server --port {port}' -p resp
                                                  any server, started for it
  echo-bench --rate 20k --arrival poisson         open loop: due on a schedule
  echo-bench --stage 1k:30s --ramp 1k..9k:60s     a load in stages
  echo-bench --arrivals trace.txt                 replay recorded instants
  echo-bench --size lognormal:median=300,p99=20K  sizes from a distribution
  echo-bench -c 500 --think 100ms                 users pause after each reply
  echo-bench -d 5s --repeat 5                     intervals from run to run
  echo-bench --rate 5k --slo 'p99<5ms' --strict   gate a build: exit 3 or 4
  echo-bench --tls --protocol http -P 8           inside TLS
  echo-bench --nodelay off --split-writes 2       see Nagle meet delayed ACKs

Results are printed on stdout, and the whole report is kept in a file. Sizes
are written 64, 4K or 1MiB; counts 500, 10k or 1M; durations 500us, 30s or
1m30s, and a bare number is seconds.

Exit codes:
  0    done
  1    could not run, or requests failed
  2    usage
  3    an objective was missed, or a metric is worse than in --baseline
  4    nothing was measured, the comparison with --baseline is inconclusive,
       or, with --strict, the generator was the bottleneck or an objective is
       undecided
  129, 130, 143  interrupted; the partial report is written

Environment:
  PGUSER, PGDATABASE, PGPASSWORD, PGPASSFILE  login at a PostgreSQL
  REDISCLI_AUTH  password of a Redis
  NO_COLOR, CLICOLOR_FORCE, TERM  whether there are colours (see --color)
  COLUMNS  width of the text
  XDG_DATA_HOME  where baselines are kept [default: ~/.local/share]

Files:
  reports/runs  reports, unless --report-dir names another directory
  $XDG_DATA_HOME/echo-bench  baselines, and the noise floor of selftest";

/// What `-h` shows of a run beside the subcommands.
const MOST_USED: [&str; 7] =
    ["address", "conns", "duration", "rate", "protocol", "model", "output"];

/// What `run -h` shows.
const OF_A_RUN: [&str; 15] = [
    "address", "exec", "conns", "threads", "duration", "requests", "pipeline", "rate",
    "warmup", "protocol", "size", "model", "output", "slo", "live",
];

/// Under one heading, so that `-h` is short.
fn most_used(arg: Arg) -> Arg {
    let arg = only(&MOST_USED)(arg);
    if arg.is_hide_short_help_set() { arg } else { arg.help_heading("Most used") }
}

/// A TCP load generator with latency numbers that state their own uncertainty.
#[derive(Debug, Parser)]
#[command(
    name = "echo-bench",
    version,
    after_help = "Flags of a run: echo-bench run -h. All, examples and exit codes: --help",
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true,
    mut_args(most_used)
)]
pub struct Cli {
    /// When to use colours: always, never, or auto: on a terminal, unless `NO_COLOR` is set
    ///
    /// On a terminal text is as wide as the terminal is, or as COLUMNS says. In a pipe or a file
    /// that width does not matter: each fact is on one line, and tables have all their columns.
    #[arg(
        long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto,
        hide_possible_values = true, display_order = 1000
    )]
    pub color: ColorChoice,
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
    #[command(
        after_help = MORE,
        after_long_help = EXAMPLES,
        allow_negative_numbers = true,
        mut_args(only(&OF_A_RUN))
    )]
    Run(Box<RunArgs>),
    /// Measure every combination of settings, and what each setting does
    Sweep(Box<SweepArgs>),
    /// Find the highest rate at which a server meets its objectives
    Capacity(Box<CapacityArgs>),
    /// Say what is better or worse, by how much, and how sure that is
    Compare(CompareArgs),
    /// Show a stored run or comparison again
    Report(ReportArgs),
    /// Merge reports of one plan into one, losing nothing
    Merge(MergeArgs),
    /// Wait for runs of `run --nats`, and carry out a part of each
    #[cfg(feature = "nats")]
    #[command(after_help = MORE, after_long_help = nats::AGENT_EXAMPLES)]
    Agent(AgentArgs),
    /// Merge the parts of a `run --nats` whose coordinator has ended
    #[cfg(feature = "nats")]
    Collect(CollectArgs),
    /// Show how runs of one plan go over time, and where they changed
    History(HistoryArgs),
    /// Repeat the run of a report
    ///
    /// Same plan and schedule, optionally against another target.
    Rerun(Box<RerunArgs>),
    /// List the stored reports: when, what, rate, p99, verdict, label
    List(ListArgs),
    /// List or remove saved baselines
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Examine this machine for what disturbs measurements
    ///
    /// Limits and settings, with remedies.
    Doctor(DoctorArgs),
    /// Check whether numbers of this machine can be trusted
    ///
    /// Measures a server whose times are known beforehand.
    Selftest(SelftestArgs),
    /// Print a JSON Schema
    Schema {
        /// Of what
        #[arg(value_parser = choice::<Kind>(), default_value = "report")]
        of: Kind,
    },
    /// Manual pages and completions.
    #[command(flatten)]
    Pages(Pages),
    /// A run of a sweep, in a process of its own
    #[command(name = CELL, hide = true)]
    Cell {
        /// The process that it must not outlive
        #[arg(long)]
        die_with_parent: u32,
        /// Say how it goes, a line of JSON on stdout for each interval
        #[arg(long)]
        beats: bool,
        /// The same in the lines of a partial file, a line for each piece of the window
        #[arg(long)]
        pieces: bool,
        /// The networks whose addresses it may load
        #[arg(long, value_name = "CIDR")]
        permit: Vec<echo_bench_fleet::Cidr>,
        /// It
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// The parent of all processes of a server that a command starts
    #[command(name = crate::exec::SUPERVISE, hide = true)]
    Supervise {
        /// A text to look for in its output
        #[arg(long)]
        ready: Option<String>,
        /// The command
        #[arg(last = true, required = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// A command that ends with its parent
    #[command(name = crate::exec::LAUNCH, hide = true)]
    Launch {
        /// The process that it must not outlive
        #[arg(long)]
        parent: u32,
        /// The command
        #[arg(last = true, required = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// A server with fault injection, for a selftest
    #[command(name = SERVE_FAULTS, hide = true)]
    ServeFaults(ServeFaultsArgs),
    /// The process that forwards the packets of an emulated link
    #[command(name = crate::link::FORWARD, hide = true)]
    ForwardLink(ForwardArgs),
    /// Whether a link can be emulated
    #[command(name = crate::link::TRY, hide = true)]
    TryLink,
    /// The embedded server: an echo-server in a process of its own
    #[command(name = crate::embedded::SUBCOMMAND, hide = true, disable_help_flag = true)]
    Serve {
        /// Its command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

impl Cli {
    /// What of it is for the terminal.
    pub fn colours(&self) -> anstream::ColorChoice {
        match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
    }
}

/// A run, as typed.
#[derive(Debug, Args)]
pub struct RunArgs {
    // Before the others, which take their values out of what was typed.
    #[command(flatten)]
    typed: TypedFlags,
    /// The server to load.
    #[arg(
        value_name = "TARGET",
        help_heading = "Target",
        help = "Server to load: HOST:PORT, unix:/PATH or a URL",
        long_help = "Server to load: HOST:PORT, unix:/PATH, unix:@NAME (abstract) or a URL (http, https, \
                     redis, rediss, postgres) [default: without --exec, an embedded echo-server is \
                     started]"
    )]
    pub address: Option<Endpoint>,
    /// The server to load (same as TARGET)
    #[arg(long, value_name = "ADDR", conflicts_with = "address", help_heading = "Target")]
    pub target: Option<Endpoint>,
    /// Connections to the embedded server: over TCP, or over unix-domain sockets, which have no
    /// network stack and no options of TCP [default: tcp]
    #[arg(
        long,
        value_parser = choice::<Transport>(),
        conflicts_with_all = ["address", "target", "exec"],
        help_heading = "Target"
    )]
    transport: Option<Transport>,
    /// Process of the server, for its CPU cost (found by itself on this machine)
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub server_pid: Option<u32>,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    fleet: FleetArgs,
    #[cfg(feature = "nats")]
    #[command(flatten)]
    on_agents: nats::OnAgentsArgs,
    #[command(flatten)]
    messages: MessageArgs,
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    sockets: SocketArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    server: EmbeddedArgs,
    /// Length of an interval of the time series
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = "Results")]
    interval: TimeSpan,
    /// Where the results go
    #[command(flatten)]
    pub results: ResultArgs,
}
