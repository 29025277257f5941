//! Why arguments are refused: [`InvalidArgs`].

use echo_net::settings::ByteSize;
use echo_proto::Service;

use super::configured::MOST_READ_BUFFER;
use super::tcp::InvalidTcpArgs;
use crate::model_kind::ModelKind;
use crate::sqpoll::NoCore;

/// Invalid arguments.
#[derive(Debug, thiserror::Error)]
pub enum InvalidArgs {
    /// A size of zero.
    #[error("--{0} must be at least 1 byte")]
    Zero(&'static str),
    /// A read buffer that may not fit into memory.
    #[error("--read-buffer: the maximum is {}", ByteSize(MOST_READ_BUFFER))]
    ReadBuffer,
    /// A limit of all connections that a single message exceeds.
    #[error(
        "--max-buffered {buffered} is less than one message (--max-message {message}); increase \
         the first or decrease the second"
    )]
    Buffered {
        /// As typed.
        buffered: ByteSize,
        /// The message limit.
        message: ByteSize,
    },
    /// A timeout of zero.
    #[error("--{0} 0 would disconnect every peer (use at least 1ms)")]
    NoTime(&'static str),
    /// A chat setting with another protocol.
    #[error("--{0} requires --protocol chat, not {1}")]
    NoChat(&'static str, Service),
    /// Less for all members than for one.
    #[error("--chat-room-queue must be at least --chat-queue ({0})")]
    RoomQueue(ByteSize),
    /// A CPU that this process must not use.
    #[error("--pin: CPU {cpu} is not available to this process (available: {allowed:?})")]
    Cpu {
        /// As typed.
        cpu: usize,
        /// The allowed CPUs.
        allowed: Vec<usize>,
    },
    /// A model without its own polling loop.
    #[error(
        "--busy-poll is not supported by --model {0} (use --model epoll, poll, uring or prefork)"
    )]
    BusyPoll(ModelKind),
    /// A chat whose members are in several processes.
    #[error(
        "--workers must be 1 for a chat with --model prefork, whose workers are processes: members in \
         different ones can't see each other (or use another --model)"
    )]
    ChatProcesses,
    /// A choice that the model does not have.
    #[error("--{flag} is not supported by --model {model} (use --model {models})")]
    UnfitModel {
        /// As typed, without dashes.
        flag: String,
        /// The model.
        model: ModelKind,
        /// Those that have it.
        models: String,
    },
    /// No CPU for a kernel thread.
    #[error(transparent)]
    NoCore(#[from] NoCore),
    /// Client certificates without TLS.
    #[error("--client-ca requires TLS (add --tls-cert and --tls-key, or --tls-self-signed)")]
    ClientCa,
    /// Something that only TCP has.
    #[error("--{0} is an option of TCP, and a unix-domain socket has none: leave it out")]
    NotWithUnix(&'static str),
    /// Several listeners of one name.
    #[error(
        "--{0} needs a listener per worker, and a unix-domain socket has one: leave it out (--accept \
         shared or exclusive distributes connections, too)"
    )]
    OneListener(&'static str),
    /// An option that the kernel would not take.
    #[error(transparent)]
    Tcp(#[from] InvalidTcpArgs),
}
