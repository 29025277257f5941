//! The flags of a run, by the heading that `--help` shows them under. The structs here do
//! nothing; what they mean is in `cli/plan.rs`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use echo_net::address::{HostAddress, Transport};
use echo_net::settings::{ByteSize, Count, OnOff, Rate, TimeSpan};
use echo_proto::{HttpHost, Service};
use echo_server::choice::choice;
use echo_server::cli::TcpArgs;
use echo_server::model::ModelKind;

use super::pinning::Pin;
use super::server_flags::ServerFlags;
use super::{BaselinePlace, JudgingArgs, RunArgsError};
use crate::outlet::RunFormat;
use echo_bench_engine::messages::{MessageFormat, Size, Verify};
use echo_bench_engine::plan::{
    EngineKind, IdleStrategy, PlanError, SocketPlan, Stamps, Think, Until,
};
use echo_bench_engine::schedule::{Arrival, InvalidStage, Stage};
use echo_bench_report::report::Slo;

#[derive(Debug, Args)]
#[command(next_help_heading = "Load", group = ArgGroup::new("schedule").multiple(true))]
pub(super) struct LoadArgs {
    /// Connections in total
    #[arg(short, long, alias = "connections", value_name = "N", default_value = "10")]
    pub(super) conns: Count,
    /// Generator threads [default: half of the cores, at least 1]
    #[arg(short, long, value_name = "N")]
    pub(super) threads: Option<u32>,
    /// Length of the measured window [default: 10s]
    #[arg(short, long, value_name = "TIME")]
    pub(super) duration: Option<TimeSpan>,
    /// End once the 95 % interval of a percentile is this narrow, like p99+-5%, and after
    /// --duration at the latest
    #[arg(long, value_name = "P+-SHARE", conflicts_with = "requests")]
    pub(super) until: Option<Until>,
    /// Measured requests, instead of a duration
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    pub(super) requests: Option<Count>,
    /// Requests in flight per connection [default: 1; open loop: at most 64]
    #[arg(short = 'P', long, value_name = "N")]
    pub(super) pipeline: Option<u32>,
    /// Open loop: target arrival rate, requests per second
    ///
    /// Over all connections.
    #[arg(short = 'R', long, value_name = "N", group = "schedule")]
    pub(super) rate: Option<Rate>,
    /// Open loop: how requests are spread over time
    #[arg(
        long,
        value_parser = choice::<Arrival>(),
        default_value = "constant",
        requires = "schedule"
    )]
    pub(super) arrival: Arrival,
    /// Open loop in stages: this rate for this time (repeatable; reported stage by stage)
    #[arg(long, value_name = "RATE:TIME", group = "schedule")]
    pub(super) stage: Vec<Stage>,
    /// A stage whose rate rises or falls evenly (repeatable, also between --stage)
    #[arg(long, value_name = "A..B:TIME", value_parser = ramp, group = "schedule")]
    pub(super) ramp: Vec<Stage>,
    /// Open loop: requests fall due at the instants in FILE (- is stdin), one a line in seconds
    /// or with a unit, in rising order, after the warm-up
    #[arg(
        long,
        value_name = "FILE",
        group = "schedule",
        conflicts_with_all = ["stage", "ramp", "arrival"],
    )]
    pub(super) arrivals: Option<PathBuf>,
    /// Closed loop: pause between a reply and the next request; exp:TIME for exponential pauses
    #[arg(long, value_name = "TIME")]
    pub(super) think: Option<Think>,
    /// Take the connection of each request from a pool of N; --conns are then callers with one
    /// request at a time. 0: a new connection for each request
    #[arg(long, value_name = "N")]
    pub(super) pool: Option<u32>,
    /// Connection ramp-up rate, per second [default: as fast as possible]
    #[arg(long, value_name = "N")]
    pub(super) connect_rate: Option<Rate>,
    /// Reconnect after N requests on a connection
    #[arg(long, value_name = "N")]
    pub(super) reconnect_after: Option<u32>,
    /// Make N runs, each with a server of its own if it starts one, and report how much they vary
    #[arg(long, value_name = "N", conflicts_with_all = ["hgrm", "hlog", "metrics"])]
    pub(super) repeat: Option<u32>,
    /// Load before the measured window
    #[arg(short, long, value_name = "TIME", default_value = "2s")]
    pub(super) warmup: TimeSpan,
    /// How long a request waits for its reply, a connection to be made (its TLS handshake
    /// included), and then a login to complete. A connection on which 4 x --pipeline requests (64
    /// or more) have timed out is closed and reconnected
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(super) timeout: TimeSpan,
    /// How long to wait for replies after the window [default: that of --timeout]
    #[arg(long, value_name = "TIME")]
    pub(super) drain: Option<TimeSpan>,
    /// Seed of schedule and message sizes [default: random, printed]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Generator I/O backend
    #[arg(long, value_parser = choice::<EngineKind>(), default_value = "epoll")]
    pub(super) engine: EngineKind,
    /// How a generator thread waits for the next due request
    #[arg(long, value_parser = choice::<IdleStrategy>(), default_value = "auto")]
    pub(super) idle: IdleStrategy,
    /// Kernel receive timestamps, which tell the wait in the generator's receive queue from the
    /// server's latency: on a sample of the connections, on all of them, or off
    #[arg(long, value_parser = choice::<Stamps>(), default_value = "sample")]
    pub(super) stamps: Stamps,
    /// CPU affinity: auto gives each generator thread and each worker of the embedded server a
    /// CPU of its own, if there are enough, and the server of --exec those that are left; with a
    /// server elsewhere, and several NUMA nodes, each generator thread runs on one node; a list like
    /// 0,2-3 is for the generator threads. It
    /// knows of no other run: with several at a time on one machine, use off, or lists
    #[arg(long, value_name = "auto|off|CPUS", default_value = "auto")]
    pub(super) pin: Pin,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct MessageArgs {
    /// Application protocol [default: line, or the URL's]
    #[arg(short, long, value_parser = choice::<Service>())]
    pub(super) protocol: Option<Service>,
    /// Host header of HTTP requests [default: the host and port of the target]
    #[arg(long, value_name = "HOST")]
    pub(super) http_host: Option<HttpHost>,
    /// Send each message as a simple query, SELECT 'text', and not as the parameter of a prepared
    /// statement (--protocol postgres; PGUSER, PGDATABASE and PGPASSWORD or PGPASSFILE say who
    /// logs in, if the URL does not)
    #[arg(long)]
    pub(super) pg_simple: bool,
    /// Speak RESP3 (HELLO 3), and not RESP2 (--protocol resp; the URL names user and database,
    /// REDISCLI_AUTH is the password)
    #[arg(long)]
    pub(super) resp3: bool,
    /// Slow consumers: members of a chat room that never read (--protocol chat)
    #[arg(long, value_name = "N", default_value = "0")]
    pub(super) chat_deaf: u32,
    /// Streams of each connection, which its requests take in turn (--protocol mux)
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) streams: u32,
    /// Size of messages, a range A-B, or a distribution [default: 64]
    ///
    /// A distribution is one like lognormal:median=300,p99=20K or zipf:exponent=1.1,max=64K, or a
    /// histogram in a file, `file:PATH`.
    ///
    /// lognormal:median=SIZE,p99=SIZE[,min=SIZE][,max=SIZE]: sizes whose logarithm is normally
    /// distributed; those outside min and max are set to them, and the report says what share.
    /// Default of max: --server-max-message, else the default limit of the protocol (64K of line and
    /// command, 1M of others).
    ///
    /// zipf:exponent=N,max=SIZE[,min=SIZE]: a size of k bytes is as frequent as 1/k^N, from min to
    /// max, which decides how large messages are on average. Default of min: 1.
    ///
    /// `file:PATH` (- is stdin): a histogram in text, like `64 70` and `1K-2K 30` on two lines: SIZE
    /// WEIGHT or A-B WEIGHT, # begins a comment; each size is as frequent as its weight.
    ///
    /// Each connection draws sizes of its own, by --seed and its number: the same seed gives each
    /// request the same size. The report has the median, p99, maximum and mean of a sample of them:
    /// those of the first 65536 messages, were the connections to send in turn. In a pool each caller
    /// is a connection here.
    #[arg(short, long, value_name = "SIZE")]
    pub(super) size: Option<Size>,
    /// Send this text
    #[arg(long, value_name = "TEXT", conflicts_with = "size")]
    pub(super) message: Option<String>,
    /// Send the messages of this file in turn (- is stdin), up to 64M: its lines, without their LF
    /// or CRLF, or as --message-format says. Each connection begins with the first
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "message"])]
    pub(super) message_file: Option<PathBuf>,
    /// Where messages of --message-file end: lines, length-prefixed (after a big-endian u32 each),
    /// whole (a file is one, and a directory has one in each file)
    ///
    /// lines: text, each line a message without its LF or CRLF, like
    /// printf 'hello\nworld\n' >m; --message-file m
    ///
    /// length-prefixed: binary, each message after its length as a big-endian u32, like
    /// printf '\0\0\0\5hello\0\0\0\2hi' >m; --message-file m --message-format length-prefixed
    ///
    /// whole: text or binary, a file that is one message, --message-file image.png --message-format
    /// whole; or a directory, each of whose files is one in the order of their names,
    /// --message-file images/ --message-format whole
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = choice::<MessageFormat>(),
        default_value = "lines",
        requires = "message_file"
    )]
    pub(super) message_format: MessageFormat,
    /// How replies are checked
    #[arg(long, value_parser = choice::<Verify>(), default_value = "full")]
    pub(super) verify: Verify,
    /// Send each request in N writes: with Nagle on, this is the 40 ms case
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) split_writes: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Sockets")]
pub(super) struct SocketArgs {
    /// Set TCP_NODELAY (disable Nagle's algorithm) [default: on]
    #[arg(long, value_name = "ON|OFF", value_parser = choice::<OnOff>())]
    pub(super) nodelay: Option<OnOff>,
    /// Kernel send buffer [default: system setting]
    #[arg(long, value_name = "SIZE")]
    pub(super) send_buffer: Option<ByteSize>,
    /// Kernel receive buffer [default: system setting]
    #[arg(long, value_name = "SIZE")]
    pub(super) recv_buffer: Option<ByteSize>,
    #[command(flatten)]
    pub(super) tcp: TcpArgs,
    /// Address to connect from; several take turns
    #[arg(long, value_name = "IP")]
    pub(super) source_ip: Vec<IpAddr>,
}

impl SocketArgs {
    /// What was typed, for connections of this kind.
    ///
    /// # Errors
    /// When an option is not one, or is one of TCP on another kind of socket.
    pub(super) fn plan(
        &self,
        transport: Option<Transport>,
    ) -> Result<SocketPlan, RunArgsError> {
        // Typed, and not only so by default.
        if transport == Some(Transport::Unix) && self.nodelay.is_some() {
            return Err(PlanError::OnlyTcp("--nodelay").into());
        }
        let socket = SocketPlan {
            nodelay: self.nodelay.is_none_or(OnOff::is_on),
            send_buffer: self.send_buffer.map(|size| size.0),
            recv_buffer: self.recv_buffer.map(|size| size.0),
            sources: self.source_ip.clone(),
            ..SocketPlan::default()
        };
        Ok(socket.with_tcp(&self.tcp.options()?))
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Embedded server (any echo-server flag as --server-FLAG)")]
pub(super) struct EmbeddedArgs {
    /// Model of the embedded server [default: epoll]
    ///
    /// How it handles its connections concurrently. poll looks at every connection in each turn, so that
    /// many slow ones delay the others. compio: in builds with --features compio.
    #[arg(long, value_parser = choice::<ModelKind>(), conflicts_with_all = ["address", "target"])]
    pub(super) model: Option<ModelKind>,
    #[command(flatten)]
    pub(super) flags: ServerFlags,
}

/// Where the results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag as typed")]
pub struct ResultArgs {
    /// File of the report; its ending chooses the format
    ///
    /// Endings: .json, .html, .csv, .md, .txt, .bmf, .xml (junit) or .prom (openmetrics). -: print
    /// JSON instead of the text.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<RunFormat>())]
    pub format: Option<RunFormat>,
    /// Write a line of JSON to FILE for each interval, as soon as it is over (-: stdout, which has
    /// nothing else then; their schema: echo-bench schema stream)
    #[arg(long, value_name = "FILE")]
    pub stream: Option<PathBuf>,
    /// Serve the metrics of the run while it goes, over HTTP for Prometheus (port 0: any, which is
    /// said on stderr)
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<HostAddress>,
    /// Where reports are kept
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub report_dir: PathBuf,
    /// Keep no report
    #[arg(long)]
    pub no_report: bool,
    /// Note in the report, KEY=VALUE (repeatable)
    #[arg(long, value_name = "K=V", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// Write the percentile distribution of the response latency (HDR .hgrm; -: stdout)
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Write the response latency of every interval (HDR .hlog; -: stdout)
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Objective like p99<5ms: exit 3 if missed (repeatable)
    ///
    /// Others: max<1s, rps>10k, errors<0.1%. It is judged on the 95 % interval.
    #[arg(long, value_name = "SLO")]
    pub slo: Vec<Slo>,
    /// Compare the run with a saved baseline (judged by --threshold and --fail-on)
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Save the run as a baseline
    #[arg(long, value_name = "NAME")]
    pub save_baseline: Option<String>,
    /// Where baselines are
    #[command(flatten)]
    pub baselines: BaselinePlace,
    /// How to judge against the baseline
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// Exit 4 if the generator was the bottleneck or an objective is undecided
    #[arg(long)]
    pub strict: bool,
    /// Watch the run on the whole screen
    ///
    /// Latency over time, percentiles, rates, errors, fairness. Keys: p holds the picture, c shows the next clock, q or Ctrl-C stops the run in order, ?
    /// explains. The picture is drawn by a thread of lowest priority, whose CPU time is in the
    /// report. When the run ends the terminal is as before, and the ordinary summary follows.
    /// Where stderr is no terminal there is ordinary progress instead.
    #[arg(long, conflicts_with = "quiet")]
    pub live: bool,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// A stage whose rate changes.
fn ramp(text: &str) -> Result<Stage, String> {
    let stage: Stage = text.parse().map_err(|reason: InvalidStage| reason.to_string())?;
    if text.contains("..") {
        return Ok(stage);
    }
    Err(format!("`{text}` has one rate: write A..B:TIME like 1k..10k:60s, or use --stage"))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write a label as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
