//! Command line arguments: [`ServerArgs`]. They are converted to a [`Config`](crate::Config), listen addresses
//! and a log style below.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};

use clap::{Parser, Subcommand};
use echo_manual::{MORE, Pages, only};
use echo_net::address::Address;
use echo_net::settings::{ByteSize, CpuList, OnOff, TimeSpan, at_least_one};
use echo_proto::{Service, WriteMode};

use crate::choice::choice;
use crate::model_kind::ModelKind;

mod balance;
mod chat;
mod configured;
mod invalid;
mod output;
mod tcp;
mod tls;
mod transport;
mod tuning;
mod unfinished;

pub use balance::BalanceArgs;
pub use chat::ChatArgs;
pub use invalid::InvalidArgs;
pub use output::OutputArgs;
pub use tcp::{InvalidTcpArgs, TcpArgs};
pub use tls::TlsArgs;
pub(crate) use transport::check_transport;
pub use tuning::TuningArgs;
pub use unfinished::UnfinishedArgs;

const EXAMPLES: &str = "\
Examples:
  echo-server                                  line echo on 127.0.0.1:8080
  echo-server :9000 --model epoll --workers 2  all interfaces, two event loops
  echo-server 0 --protocol raw --pin 0         a free port, RFC 862, on CPU 0
  echo-server 8443 --tls-self-signed           TLS, self-signed certificate
  echo-server --protocol chat                  a chat room
  echo-server --metrics 9100                   metrics over HTTP: /metrics
  echo-server unix:/run/echo/echo.sock         a unix-domain socket
  echo-server balance :9000 --backend :9001 --backend :9002
  printf 'a\\nb\\n' | nc -N 127.0.0.1 8080       send it two lines

Sizes are written 64, 4K or 1MiB; durations 500us, 30s or 1m30s, and a bare
number is seconds. Once it accepts connections it prints its address as a line
of JSON on stdout. It takes the socket of a systemd .socket unit in place of
ADDRESS, and tells systemd when it is ready (Type=notify).

Signals:
  SIGINT, SIGTERM  stop gracefully; a second one: immediately
  SIGUSR1          print statistics
  SIGHUP, SIGUSR2  nothing

Exit codes:
  0    stopped by a signal
  1    could not serve
  2    usage
  101  a worker panicked, which is a bug

Environment:
  RUST_LOG  filter of the log, like debug, instead of --verbose or --quiet
  LISTEN_PID, LISTEN_FDS  a socket from systemd
  NOTIFY_SOCKET  where systemd is told";

/// What `-h` shows.
const SHOWN: [&str; 11] = [
    "address",
    "model",
    "workers",
    "pin",
    "protocol",
    "tls-cert",
    "tls-key",
    "tls-self-signed",
    "metrics",
    "verbose",
    "quiet",
];

/// An echo server whose concurrency model is a flag
#[derive(Debug, Clone, Parser)]
#[command(
    name = "echo-server",
    version,
    after_help = MORE,
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true,
    mut_args(only(&SHOWN))
)]
pub struct Cli {
    /// The subcommand; without one, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The server, if no subcommand is given.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Subcommands.
#[derive(Debug, Clone, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, at the start; clap has no boxed arguments"
)]
pub enum Command {
    /// Run a layer-4 load balancer in front of other servers
    Balance(BalanceArgs),
    /// Manual pages and completions.
    #[command(flatten)]
    Pages(Pages),
}

/// The flags of a server
#[derive(Debug, Clone, Parser)]
#[command(name = "echo-server", version)]
pub struct ServerArgs {
    /// Listen address
    #[arg(
        default_value = "127.0.0.1:8080",
        help = "Listen address: HOST:PORT, :PORT, PORT or unix:/PATH",
        long_help = "Listen address: HOST:PORT (IPv6 in brackets), :PORT for all interfaces (IPv4 and \
                     IPv6), PORT, or a unix-domain socket: unix:/PATH, whose mode the umask decides, \
                     or unix:@NAME (abstract). The socket of a server that has ended is replaced. The \
                     log names its clients by user id"
    )]
    pub address: Address,

    /// Concurrency model
    ///
    /// poll looks at every connection in each turn, so that many slow ones delay the others. compio: in
    /// builds with --features compio.
    #[arg(
        long,
        value_name = "NAME",
        value_parser = choice::<ModelKind>(),
        default_value_t,
        help_heading = "Model"
    )]
    pub model: ModelKind,

    /// Worker threads, or processes (prefork) [default: all cores]
    ///
    /// A chat with prefork has one.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU16>,
        help_heading = "Model"
    )]
    pub workers: Option<NonZeroU16>,

    /// CPU affinity: one CPU per worker, like 0 or 0,2-3
    ///
    /// With more workers than CPUs, in rotation. Without it the kernel places the workers.
    #[arg(long, value_name = "CPUS", help_heading = "Model")]
    pub pin: Option<CpuList>,

    /// Busy-poll while connections are open (epoll, poll, uring, prefork): saves wake-ups, but each worker
    /// uses a whole core, which should be reserved for it (see --workers and --pin)
    #[arg(long, help_heading = "Model")]
    pub busy_poll: bool,

    /// How the model waits and accepts.
    #[command(flatten)]
    pub tuning: TuningArgs,

    /// Application protocol
    #[arg(
        short,
        long,
        value_name = "NAME",
        value_parser = choice::<Service>(),
        default_value_t,
        help_heading = "Protocol"
    )]
    pub protocol: Service,

    /// Maximum message size in bytes of payload [default: 64KiB for text, 1MiB for frames]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub max_message: Option<ByteSize>,

    /// Queues of a chat.
    #[command(flatten)]
    pub chat: ChatArgs,

    /// Read buffer size in bytes
    #[arg(long, value_name = "SIZE", default_value = "16KiB", help_heading = "Protocol")]
    pub read_buffer: ByteSize,

    /// How replies are split into writes: one write for all replies to a read, two per reply,
    /// or one per reply
    #[arg(
        long,
        value_name = "MODE",
        value_parser = choice::<WriteMode>(),
        default_value_t,
        help_heading = "Protocol"
    )]
    pub write_mode: WriteMode,

    /// Set TCP_NODELAY (disable Nagle's algorithm) [default: on]
    #[arg(
        long,
        value_name = "ON|OFF",
        value_parser = choice::<OnOff>(),
        help_heading = "Sockets"
    )]
    pub nodelay: Option<OnOff>,

    /// Kernel send buffer (SO_SNDBUF; Linux doubles it) [default: system setting]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub send_buffer: Option<ByteSize>,

    /// Kernel receive buffer (SO_RCVBUF; Linux doubles it) [default: system setting]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub recv_buffer: Option<ByteSize>,

    /// Further options of TCP.
    #[command(flatten)]
    pub tcp: TcpArgs,

    /// Listen backlog: length of the accept queue
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU32>,
        default_value = "4096",
        help_heading = "Sockets"
    )]
    pub backlog: NonZeroU32,

    /// Set SO_REUSEPORT; event-loop models then have one listener per worker (unless another --accept
    /// is given), each with a backlog of its own. A stop serves the clients in every backlog; those that the
    /// kernel adds while the listeners close are reset
    #[arg(long, help_heading = "Sockets")]
    pub reuse_port: bool,

    /// Maximum concurrent connections [default: limit of open files - 32]
    ///
    /// Of all workers together.
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU64>,
        help_heading = "Limits"
    )]
    pub max_conns: Option<NonZeroU64>,

    /// Idle timeout; 0 disables it
    #[arg(long, value_name = "TIME", default_value = "5m", help_heading = "Limits")]
    pub idle_timeout: TimeSpan,

    /// Disconnect a peer that acknowledges no output for this long; a slow reader is kept
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Limits")]
    pub write_timeout: TimeSpan,

    /// Drain timeout: maximum duration of a graceful stop
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Limits")]
    pub drain_timeout: TimeSpan,

    /// Limits on what is unfinished.
    #[command(flatten)]
    pub unfinished: UnfinishedArgs,

    /// Whether and how to speak TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Keep access to files and ports that a running server does not need (see SECURITY.md)
    #[arg(long, help_heading = "Limits")]
    pub no_sandbox: bool,

    /// Metrics and log.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Exit when the parent process with this id exits
    #[arg(
        long,
        value_name = "PID",
        require_equals = true,
        num_args = 0..=1,
        help_heading = "Limits"
    )]
    pub die_with_parent: Option<Option<u32>>,
}

#[cfg(test)]
mod tests;
