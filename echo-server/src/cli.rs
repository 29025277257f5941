//! What was typed: [`ServerArgs`]. They do nothing; what they mean is a
//! [`Config`], a [`Binding`] and a [`LogStyle`], each made in one place below.

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
  echo-server 8443 --tls-self-signed           TLS, for a try on this machine
  echo-server --protocol chat                  a chat room; echo-client -p chat joins it
  echo-server balance :9000 --backend :9001 --backend :9002
  printf 'a\\nb\\n' | nc -N 127.0.0.1 8080       ask it something

Sizes are written 64, 4K or 1MiB; durations 500us, 30s or 1m30s, and a bare number is
seconds. When it can accept, one line of JSON on stdout tells the address. SIGINT and
SIGTERM stop it gracefully; a second one at once. SIGUSR1 logs what it has done so far.";

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
    /// What to do; without one, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The server, if no subcommand is given.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Subcommands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Share connections out between servers behind this one (layer 4)
    Balance(BalanceArgs),
}

/// The flags of a server
#[derive(Debug, Clone, Parser)]
#[command(name = "echo-server", version, after_help = EXAMPLES)]
pub struct ServerArgs {
    /// Where to listen
    #[arg(
        default_value = "127.0.0.1:8080",
        help = "Where to listen: HOST:PORT (IPv6 in brackets), :PORT for all interfaces (IPv4 and \
                IPv6), or PORT"
    )]
    pub address: Address,

    /// How connections share threads
    #[arg(
        long,
        value_name = "NAME",
        value_parser = choice::<ModelKind>(),
        default_value_t,
        help_heading = "Model"
    )]
    pub model: ModelKind,

    /// Threads that serve [default: the cores that may be used]
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU16>,
        help_heading = "Model"
    )]
    pub workers: Option<NonZeroU16>,

    /// CPUs for the workers, one each in turn, like 0 or 0,2-3
    #[arg(long, value_name = "CPUS", help_heading = "Model")]
    pub pin: Option<CpuList>,

    /// Never sleep while there are connections (epoll, uring): no wake-ups, but each worker
    /// takes all of a core, which should be its own (see --workers and --pin)
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

    /// Most bytes of payload in a message [default: 64KiB for text, 1MiB for frames]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub max_message: Option<ByteSize>,

    /// Most that may wait for a member of a chat; one that reads too slowly is cut off
    /// [default: 1MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub chat_queue: Option<ByteSize>,

    /// Read buffer size in bytes
    #[arg(long, value_name = "SIZE", default_value = "16KiB", help_heading = "Protocol")]
    pub read_buffer: ByteSize,

    /// How replies become writes: one for all replies to a read, two for each reply, or one
    /// for each reply
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

    /// Kernel send buffer, which Linux doubles [default: the system's]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub send_buffer: Option<ByteSize>,

    /// Kernel receive buffer, which Linux doubles [default: the system's]
    #[arg(long, value_name = "SIZE", help_heading = "Sockets")]
    pub recv_buffer: Option<ByteSize>,

    /// Connections that the kernel holds until they are accepted
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU32>,
        default_value = "4096",
        help_heading = "Sockets"
    )]
    pub backlog: NonZeroU32,

    /// Let other listeners share the port; event-loop models then have one per worker
    #[arg(long, help_heading = "Sockets")]
    pub reuse_port: bool,

    /// Most connections at a time [default: the limit of open files, less 32]
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least_one::<NonZeroU64>,
        help_heading = "Limits"
    )]
    pub max_conns: Option<NonZeroU64>,

    /// Close a connection without traffic for this long; 0: never
    #[arg(long, value_name = "TIME", default_value = "5m", help_heading = "Limits")]
    pub idle_timeout: TimeSpan,

    /// Cut off a peer that takes none of its replies for this long
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Limits")]
    pub write_timeout: TimeSpan,

    /// How long a graceful stop may take before it is forced
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Limits")]
    pub drain_timeout: TimeSpan,

    /// Whether and how to speak TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// How log lines look on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = choice::<LogFormat>(),
        default_value_t,
        help_heading = "Output"
    )]
    pub log_format: LogFormat,

    /// Log more; twice: everything
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Log errors only, and no summary
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,

    /// Die when the process with this id, the parent, is gone
    #[arg(long, value_name = "PID", require_equals = true, num_args = 0..=1, hide = true)]
    pub die_with_parent: Option<Option<u32>>,
}

/// Largest read buffer: every worker has one.
const MOST_READ_BUFFER: usize = 1 << 30;

/// Flags that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArgs {
    /// A buffer or a message without room for a byte.
    #[error("--{0} 0 leaves no room for a byte (give at least 1)")]
    Zero(&'static str),
    /// A read buffer that may not fit into memory.
    #[error("--read-buffer: the maximum is {}", ByteSize(MOST_READ_BUFFER))]
    ReadBuffer,
    /// A deadline that has always passed.
    #[error("--{0} 0 would cut off every peer (give at least 1ms)")]
    NoTime(&'static str),
    /// A room where nobody chats.
    #[error("--chat-queue: nobody chats in --protocol {0} (take --protocol chat)")]
    NoChat(Service),
    /// A CPU that this process may not use.
    #[error("--pin: CPU {cpu} is not among those this process may use ({allowed:?})")]
    Cpu {
        /// As typed.
        cpu: usize,
        /// What the kernel allows.
        allowed: Vec<usize>,
    },
    /// A model that leaves waiting to others.
    #[error(
        "--busy-poll: the workers of --model {0} don't wait in a loop of their own that could \
         poll (take --model epoll or uring)"
    )]
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
        // A kernel that does not tell is asked when the pinning is done.
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
            // Read from files, which can fail for other reasons than what was typed.
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
