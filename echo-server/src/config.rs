//! What a server is to do: [`Config`], resolved and valid. Where it listens is the business
//! of who calls [`run`](crate::run).

use std::time::Duration;

use echo_net::clock;
use echo_net::socket::SocketOptions;
use echo_net::tls::ServerTls;
use echo_proto::{Replies, Service, WriteMode};

use crate::model_kind::ModelKind;
use crate::session::{NEVER, Timeouts};

/// Everything that a running server depends on, apart from its listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How connections share threads.
    pub model: ModelKind,
    /// Threads that serve; without meaning for [`ModelKind::Threads`].
    pub workers: usize,
    /// Application protocol.
    pub protocol: Service,
    /// Most bytes of payload in a message.
    pub max_message: usize,
    /// Most bytes that may wait for a member of a chat that does not read.
    pub chat_queue: usize,
    /// Options of every connection's socket.
    pub socket: SocketOptions,
    /// Read buffer size in bytes.
    pub read_buffer: usize,
    /// How replies become writes.
    pub write_mode: WriteMode,
    /// Most connections at a time; `None`: as many as descriptors allow.
    pub max_conns: Option<u64>,
    /// A connection without traffic for this long is closed; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// A peer that takes nothing of its output for this long is cut off.
    pub write_timeout: Duration,
    /// How long a graceful stop may take before it is forced.
    pub drain_timeout: Duration,
    /// Who the server is, if it speaks TLS.
    pub tls: Option<ServerTls>,
    /// A peer that has not finished its TLS handshake by then is cut off.
    pub handshake_timeout: Duration,
    /// CPUs for the workers, one each in turn; empty: wherever the kernel puts them.
    pub cpus: Vec<usize>,
    /// Whether workers with connections look again and again rather than sleep; without
    /// meaning for models that [can't](ModelKind::can_busy_poll).
    pub busy_poll: bool,
}

impl Default for Config {
    fn default() -> Self {
        let protocol = Service::default();
        Self {
            model: ModelKind::default(),
            workers: available_cores(),
            protocol,
            max_message: protocol.framing().default_max_message(),
            chat_queue: 1024 * 1024,
            socket: SocketOptions {
                // Finds out about peers that vanished, whatever the idle time-out.
                keepalive: Some(Duration::from_mins(1)),
                ..SocketOptions::default()
            },
            read_buffer: 16 * 1024,
            write_mode: WriteMode::default(),
            max_conns: None,
            idle_timeout: Some(Duration::from_mins(5)),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            cpus: Vec::new(),
            busy_poll: false,
        }
    }
}

/// Cores that this process may use.
pub(crate) fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Config {
    /// How long a session waits for its peer.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            idle: self.idle_timeout.map_or(NEVER, clock::nanos),
            write: clock::nanos(self.write_timeout),
        }
    }

    /// A worker's buffer for replies.
    pub(crate) fn replies(&self) -> Replies {
        Replies::new(self.write_mode)
    }

    /// The CPU of a worker, if it has one of its own.
    pub(crate) fn cpu_of(&self, worker: usize) -> Option<usize> {
        self.cpus.get(worker % self.cpus.len().max(1)).copied()
    }
}
