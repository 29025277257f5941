//! Command line arguments: [`ServerArgs`]. They are converted to a [`Config`], listen addresses
//! and a log style below.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};

use clap::{Parser, Subcommand};
use echo_net::address::Address;
use echo_net::pin;
use echo_net::settings::{ByteSize, CpuList, OnOff, TimeSpan, at_least_one};
use echo_net::socket::SocketOptions;
use echo_proto::{Service, WriteMode};

use crate::binding::Binding;
use crate::choice::choice;
use crate::config::{Config, available_cores};
use crate::logging::{LogFormat, LogStyle};
use crate::model_kind::ModelKind;

mod balance;
mod tls;

pub use balance::BalanceArgs;
pub use tls::TlsArgs;

const EXAMPLES: &str = "\
Examples:
  echo-server                                  line echo on 127.0.0.1:8080
  echo-server :9000 --model epoll --workers 2  all interfaces, two event loops
  echo-server 0 --protocol raw --pin 0         a free port, RFC 862 echo, on CPU 0
  echo-server 8443 --tls-self-signed           TLS with a self-signed certificate
  echo-server --protocol chat                  a chat room; echo-client -p chat joins it
  echo-server balance :9000 --backend :9001 --backend :9002
  printf 'a\\nb\\n' | nc -N 127.0.0.1 8080       send it two lines

Sizes are written 64, 4K or 1MiB; durations 500us, 30s or 1m30s, and a bare number is
seconds. Once it accepts connections it prints its address as a line of JSON on stdout.
SIGINT or SIGTERM stops it gracefully, a second one immediately. SIGUSR1 prints statistics.";

/// An echo server whose concurrency model is a flag
#[derive(Debug, Clone, Parser)]
#[command(
    name = "echo-server",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true
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
pub enum Command {
    /// Run a layer-4 load balancer in front of other servers
    Balance(BalanceArgs),
}

/// The flags of a server
#[derive(Debug, Clone, Parser)]
#[command(name = "echo-server", version, after_help = EXAMPLES)]
pub struct ServerArgs {
    /// Listen address
    #[arg(
        default_value = "127.0.0.1:8080",
        help = "Listen address: HOST:PORT (IPv6 in brackets), :PORT for all interfaces (IPv4 and \
                IPv6), or PORT"
    )]
    pub address: Address,

    /// Concurrency model
    #[arg(
        long,
        value_name = "NAME",
        value_parser = choice::<ModelKind>(),
        default_value_t,
        help_heading = "Model"
    )]
    pub model: ModelKind,

    /// Worker threads [default: number of available cores]
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU16>,
        help_heading = "Model"
    )]
    pub workers: Option<NonZeroU16>,

    /// CPU affinity: one CPU per worker, in rotation, like 0 or 0,2-3
    #[arg(long, value_name = "CPUS", help_heading = "Model")]
    pub pin: Option<CpuList>,

    /// Busy-poll while connections are open (epoll, uring): saves wake-ups, but each worker
    /// uses a whole core, which should be reserved for it (see --workers and --pin)
    #[arg(long, help_heading = "Model")]
    pub busy_poll: bool,

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

    /// Send queue per chat member; a member that reads too slowly is disconnected [default:
    /// 1MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub chat_queue: Option<ByteSize>,

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

    /// Set TCP_NODELAY (disable Nagle's algorithm)
    #[arg(
        long,
        value_name = "ON|OFF",
        value_parser = choice::<OnOff>(),
        default_value_t = OnOff::On,
        help_heading = "Sockets"
    )]
    pub nodelay: OnOff,

    /// Kernel send buffer (SO_SNDBUF; Linux doubles it) [default: system setting]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub send_buffer: Option<ByteSize>,

    /// Kernel receive buffer (SO_RCVBUF; Linux doubles it) [default: system setting]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub recv_buffer: Option<ByteSize>,

    /// Listen backlog: length of the accept queue
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU32>,
        default_value = "4096",
        help_heading = "Sockets"
    )]
    pub backlog: NonZeroU32,

    /// Set SO_REUSEPORT; event-loop models then have one listener per worker
    #[arg(long, help_heading = "Sockets")]
    pub reuse_port: bool,

    /// Maximum concurrent connections [default: open files limit minus 32]
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

    /// Disconnect a peer that accepts no output for this long
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Limits")]
    pub write_timeout: TimeSpan,

    /// Drain timeout: maximum duration of a graceful stop
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Limits")]
    pub drain_timeout: TimeSpan,

    /// Whether and how to speak TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Log format on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = choice::<LogFormat>(),
        default_value_t,
        help_heading = "Output"
    )]
    pub log_format: LogFormat,

    /// Verbose logging (-v debug, -vv trace)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Log errors only, and print no summary
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,

    /// Exit when the parent process with this id exits
    #[arg(long, value_name = "PID", require_equals = true, num_args = 0..=1, hide = true)]
    pub die_with_parent: Option<Option<u32>>,
}

/// Maximum read buffer: every worker has one.
const MOST_READ_BUFFER: usize = 1 << 30;

/// Invalid arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArgs {
    /// A size of zero.
    #[error("--{0} must be at least 1 byte")]
    Zero(&'static str),
    /// A read buffer that may not fit into memory.
    #[error("--read-buffer: the maximum is {}", ByteSize(MOST_READ_BUFFER))]
    ReadBuffer,
    /// A timeout of zero.
    #[error("--{0} 0 would disconnect every peer (use at least 1ms)")]
    NoTime(&'static str),
    /// A chat setting with another protocol.
    #[error("--chat-queue requires --protocol chat, not {0}")]
    NoChat(Service),
    /// A CPU that this process must not use.
    #[error("--pin: CPU {cpu} is not available to this process (available: {allowed:?})")]
    Cpu {
        /// As typed.
        cpu: usize,
        /// The allowed CPUs.
        allowed: Vec<usize>,
    },
    /// A model without its own polling loop.
    #[error("--busy-poll is not supported by --model {0} (use --model epoll or uring)")]
    BusyPoll(ModelKind),
}

impl TryFrom<&ServerArgs> for Config {
    type Error = InvalidArgs;

    fn try_from(args: &ServerArgs) -> Result<Self, InvalidArgs> {
        let max_message = args
            .max_message
            .map_or(args.protocol.framing().default_max_message(), |size| size.0);
        let chat_queue = args.chat_queue.map_or(Self::default().chat_queue, |size| size.0);
        for (flag, size) in [
            ("max-message", max_message),
            ("read-buffer", args.read_buffer.0),
            ("chat-queue", chat_queue),
        ] {
            if size == 0 {
                return Err(InvalidArgs::Zero(flag));
            }
        }
        if args.read_buffer.0 > MOST_READ_BUFFER {
            return Err(InvalidArgs::ReadBuffer);
        }
        if args.chat_queue.is_some() && !args.protocol.is_chat() {
            return Err(InvalidArgs::NoChat(args.protocol));
        }
        if args.write_timeout.0.is_zero() {
            return Err(InvalidArgs::NoTime("write-timeout"));
        }
        let cpus = args.pin.as_ref().map_or(&[][..], CpuList::cpus);
        // If the query fails, the error comes when the affinity is set.
        let allowed = pin::allowed().unwrap_or_else(|_| cpus.to_vec());
        if let Some(&cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            return Err(InvalidArgs::Cpu { cpu, allowed });
        }
        if args.busy_poll && !args.model.can_busy_poll() {
            return Err(InvalidArgs::BusyPoll(args.model));
        }
        Ok(Self {
            model: args.model,
            workers: args.workers.map_or_else(available_cores, |n| n.get().into()),
            protocol: args.protocol,
            max_message,
            chat_queue,
            socket: SocketOptions {
                nodelay: args.nodelay.is_on(),
                send_buffer: args.send_buffer.map(|size| size.0),
                recv_buffer: args.recv_buffer.map(|size| size.0),
                ..Self::default().socket
            },
            read_buffer: args.read_buffer.0,
            write_mode: args.write_mode,
            max_conns: args.max_conns.map(NonZeroU64::get),
            idle_timeout: Some(args.idle_timeout.0).filter(|idle| !idle.is_zero()),
            write_timeout: args.write_timeout.0,
            drain_timeout: args.drain_timeout.0,
            cpus: cpus.to_vec(),
            // Loaded from files, which can fail for other reasons.
            tls: None,
            handshake_timeout: Self::default().handshake_timeout,
            busy_poll: args.busy_poll,
        })
    }
}

impl From<&ServerArgs> for Binding {
    fn from(args: &ServerArgs) -> Self {
        Self {
            address: args.address.clone(),
            backlog: args.backlog.get(),
            reuse_port: args.reuse_port,
        }
    }
}

impl From<&ServerArgs> for LogStyle {
    fn from(args: &ServerArgs) -> Self {
        Self { format: args.log_format, verbose: args.verbose, quiet: args.quiet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config(typed: &[&str]) -> Result<Config, InvalidArgs> {
        let typed = std::iter::once("echo-server").chain(typed.iter().copied());
        Config::try_from(&ServerArgs::try_parse_from(typed).unwrap())
    }

    #[test]
    fn what_is_not_typed_is_the_library_s_default() {
        assert_eq!(config(&[]).unwrap(), Config::default());
    }

    #[test]
    fn the_message_limit_follows_the_protocol() {
        assert_eq!(config(&["-p", "line"]).unwrap().max_message, 64 << 10);
        assert_eq!(config(&["-p", "frame"]).unwrap().max_message, 1 << 20);
        assert_eq!(config(&["-p", "frame", "--max-message", "1K"]).unwrap().max_message, 1024);
    }

    #[test]
    fn the_queue_of_a_chat_can_be_typed_for_a_chat() {
        assert_eq!(config(&["-p", "chat"]).unwrap().chat_queue, 1 << 20);
        assert_eq!(config(&["-p", "chat", "--chat-queue", "1K"]).unwrap().chat_queue, 1024);
    }

    #[test]
    fn an_idle_timeout_of_zero_is_none() {
        assert_eq!(config(&["--idle-timeout", "0"]).unwrap().idle_timeout, None);
        let config = config(&["--idle-timeout", "1m30s"]).unwrap();
        assert_eq!(config.idle_timeout, Some(Duration::from_secs(90)));
    }

    #[test]
    fn what_can_t_be_meant_is_refused_and_names_the_flag() {
        for (typed, flag) in [
            (["--read-buffer", "0"], "--read-buffer"),
            (["--read-buffer", "1025M"], "--read-buffer"),
            (["--max-message", "0"], "--max-message"),
            (["--chat-queue=0", "-pchat"], "--chat-queue"),
            (["--chat-queue", "1K"], "--protocol chat"),
            (["--write-timeout", "0"], "--write-timeout"),
            (["--pin", "4095"], "--pin"),
            (["--busy-poll", "--model=tokio"], "--busy-poll"),
        ] {
            let error = config(&typed).unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
}
