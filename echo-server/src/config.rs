//! Configuration of a server: [`Config`], resolved and valid. The caller of [`run`](crate::run)
//! decides where it listens.

use std::time::Duration;

use echo_net::clock;
use echo_net::socket::SocketOptions;
use echo_net::tls::ServerTls;
use echo_proto::{Replies, Service, WriteMode};

use crate::model_kind::ModelKind;
use crate::session::{NEVER, Timeouts};
use crate::tuning::Tuning;

/// Settings of a running server, except its listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Concurrency model.
    pub model: ModelKind,
    /// Number of worker threads; ignored by [`ModelKind::Threads`].
    pub workers: usize,
    /// Application protocol.
    pub protocol: Service,
    /// Maximum message size in bytes of payload.
    pub max_message: usize,
    /// Maximum bytes queued for a slow chat member.
    pub chat_queue: usize,
    /// Maximum bytes queued for all chat members together.
    pub chat_room_queue: usize,
    /// Options of every accepted socket.
    pub socket: SocketOptions,
    /// Read buffer size in bytes.
    pub read_buffer: usize,
    /// How replies are split into writes.
    pub write_mode: WriteMode,
    /// Maximum concurrent connections; `None`: as many as descriptors allow.
    pub max_conns: Option<u64>,
    /// Maximum bytes that all connections together buffer: unfinished messages and output that
    /// was not sent. `None`: a quarter of the memory that the process may use.
    pub max_buffered: Option<usize>,
    /// Idle timeout; `None`: disabled.
    pub idle_timeout: Option<Duration>,
    /// Message timeout: a message that is not complete so long after its first byte ends the
    /// connection; `None`: disabled.
    pub message_timeout: Option<Duration>,
    /// Write timeout: a peer that takes no output for this long is disconnected.
    pub write_timeout: Duration,
    /// Drain timeout: maximum duration of a graceful stop.
    pub drain_timeout: Duration,
    /// TLS identity, if TLS is enabled.
    pub tls: Option<ServerTls>,
    /// TLS handshake timeout.
    pub handshake_timeout: Duration,
    /// CPU affinity: one CPU per worker, in rotation; empty: none.
    pub cpus: Vec<usize>,
    /// How the model waits and accepts, where it leaves a choice.
    pub tuning: Tuning,
    /// Whether workers with connections busy-poll; ignored by models that
    /// [can't](ModelKind::can_busy_poll).
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
            chat_room_queue: 64 * 1024 * 1024,
            socket: SocketOptions {
                // Detects peers that have vanished, whatever the idle timeout.
                keepalive: Some(Duration::from_mins(1)),
                ..SocketOptions::default()
            },
            read_buffer: 16 * 1024,
            write_mode: WriteMode::default(),
            max_conns: None,
            max_buffered: None,
            idle_timeout: Some(Duration::from_mins(5)),
            message_timeout: Some(Duration::from_secs(30)),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            cpus: Vec::new(),
            tuning: Tuning::default(),
            busy_poll: false,
        }
    }
}

/// Number of cores available to this process.
pub(crate) fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Config {
    /// The timeouts of a session.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            idle: self.idle_timeout.map_or(NEVER, clock::nanos),
            write: clock::nanos(self.write_timeout),
            message: self.message_timeout.map_or(NEVER, clock::nanos),
        }
    }

    /// A worker's reply buffer.
    pub(crate) fn replies(&self) -> Replies {
        Replies::new(self.write_mode)
    }

    /// The CPU of a worker, if affinity is set.
    pub(crate) fn cpu_of(&self, worker: usize) -> Option<usize> {
        self.cpus.get(worker % self.cpus.len().max(1)).copied()
    }
}
