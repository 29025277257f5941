//! What a run is to do, resolved and valid: [`Plan`]. It is data, part of every report, and
//! two runs with the same plan mean the same. It does nothing and knows no command line.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_proto::{HttpHost, MuxRequester, ProtocolKind, Requester, Service};

use crate::messages::Verify;

mod builder;
mod load;
mod stamps;
mod tls;
mod validity;

pub use builder::PlanBuilder;
pub use load::{Load, StopRule};
pub use stamps::Stamps;
pub use tls::{TlsPlan, Trust};
pub use validity::PlanError;

/// Least limit of a reply of HTTP and of the Redis protocol.
const LONG_REPLY: usize = 16 << 20;

/// Everything that decides how a run behaves. Times are in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Whom to load.
    pub target: Target,
    /// Connections in total.
    pub connections: u32,
    /// Generator threads.
    pub threads: u32,
    /// Closed or open loop, and its numbers.
    pub load: Load,
    /// When the measured window ends.
    pub stop: StopRule,
    /// Load before the measured window.
    pub warmup_ns: Nanos,
    /// How long a request may wait for its reply once it is sent.
    pub timeout_ns: Nanos,
    /// How long to wait, after the window, for replies to requests of the window.
    pub drain_ns: Nanos,
    /// Length of an interval of the time series.
    pub interval_ns: Nanos,
    /// The protocol.
    #[serde(with = "crate::as_text")]
    #[schemars(with = "String")]
    pub protocol: ProtocolKind,
    /// The `Host` header of HTTP requests; null with another protocol.
    #[serde(
        default,
        with = "crate::as_text::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub http_host: Option<HttpHost>,
    /// The members of a chat room, if that is what the connections are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatPlan>,
    /// The pool that requests take their connections from; then `connections` are callers
    /// with one request at a time. Null: every connection is driven for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolPlan>,
    /// Streams of a connection, which its requests take in turn (`mux`).
    #[serde(default = "one_stream")]
    pub streams: u32,
    /// What requests say.
    pub messages: MessagePlan,
    /// How thoroughly replies are checked.
    pub verify: Verify,
    /// Most connections begun per second before the load; null: as fast as they are made.
    #[serde(default)]
    pub connect_rate_per_s: Option<f64>,
    /// Requests after which each connection is closed and reconnected; null: never.
    #[serde(default)]
    pub reconnect_after: Option<u32>,
    /// In how many writes each request is sent.
    pub split_writes: u32,
    /// Socket options of the generator.
    pub socket: SocketPlan,
    /// TLS around the protocol; null: plaintext.
    #[serde(default)]
    pub tls: Option<TlsPlan>,
    /// How the generator waits.
    pub idle: IdleStrategy,
    /// Moves bytes for the generator.
    pub engine: EngineKind,
    /// Connections on which the kernel stamps what arrives.
    #[serde(default = "no_stamps")]
    pub stamps: Stamps,
    /// Seed of the schedule and of message sizes.
    pub seed: u64,
    /// Fingerprint of the open-loop schedule; null in a closed loop.
    pub schedule_digest: Option<String>,
}

/// Reports from before there were stamps.
fn no_stamps() -> Stamps {
    Stamps::Off
}

/// Reports from before there were streams.
fn one_stream() -> u32 {
    1
}

/// Members of a chat room. Every connection is one; each message is delivered to all
/// others, and requests are deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatPlan {
    /// Slow consumers: members that never read.
    pub deaf: u32,
}

/// A pool of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolPlan {
    /// Most connections at one time; 0: a new one for each request.
    pub size: u32,
}

impl PoolPlan {
    /// Connections to be made before the load: all that so many callers can use, or one that
    /// shows whether there is a server.
    pub fn connections_of(self, callers: u32) -> u32 {
        self.size.clamp(1, callers.max(1))
    }
}

/// Whom to load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Target {
    /// An echo-server of our own, started for the run as a child process.
    Embedded {
        /// Its command line.
        server: Vec<String>,
    },
    /// A server that is already there.
    Address {
        /// Its address as given.
        address: String,
        /// Its process, if the user named it, for its CPU cost.
        server_pid: Option<u32>,
    },
}

/// What requests say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MessagePlan {
    /// Generated texts, each different.
    Generated {
        /// Least size.
        min_bytes: usize,
        /// Greatest size.
        max_bytes: usize,
    },
    /// These texts in turn.
    Given {
        /// The texts.
        texts: Vec<String>,
        /// Whether they are lines of a file that end in CR and LF: neither is sent as a part
        /// of a message.
        #[serde(default)]
        crlf: bool,
    },
}

/// Socket options of the generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketPlan {
    /// Set TCP_NODELAY (disable Nagle's algorithm).
    pub nodelay: bool,
    /// Kernel send buffer as asked; null: the system's.
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer as asked; null: the system's.
    pub recv_buffer: Option<usize>,
    /// Addresses to connect from, in turn; empty: the system's choice.
    pub sources: Vec<IpAddr>,
}

/// How a generator thread waits for the next due request or reply.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum IdleStrategy {
    /// `hybrid` where generator threads and embedded server workers have a core each, else
    /// `sleep`.
    #[default]
    Auto,
    /// Sleep in the kernel with nanosecond deadlines.
    Sleep,
    /// Sleep until shortly before the next due request, then spin.
    Hybrid,
    /// Never sleep.
    Spin,
}

/// Generator I/O backend.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Readiness by epoll.
    #[default]
    Epoll,
    /// Completions by `io_uring`, where the kernel has it.
    Uring,
}

impl Plan {
    /// Connections that are to be there when the load begins.
    pub fn connections_at_start(&self) -> u32 {
        self.pool.map_or(self.connections, |pool| pool.connections_of(self.connections))
    }

    /// Whether a request may wait before it is written, so that its wait is a clock of its own:
    /// for its turn in an open loop, or for a connection of a pool.
    pub fn has_waits(&self) -> bool {
        self.load.is_open() || self.pool.is_some()
    }

    /// Connections that send something: in a chat room all but the deaf members.
    pub fn speakers(&self) -> u32 {
        let deaf = self.chat.as_ref().map_or(0, |chat| chat.deaf);
        self.connections.saturating_sub(deaf)
    }

    /// The client's side of a new connection.
    pub fn requester(&self) -> Requester {
        let largest = self.longest_reply();
        let requester = match self.protocol {
            ProtocolKind::Mux => Requester::Mux(MuxRequester::new(largest, self.streams)),
            protocol => protocol.requester(largest),
        };
        match &self.http_host {
            None => requester,
            Some(host) => requester.for_http_host(host),
        }
    }

    /// What the server is expected to speak.
    pub fn service(&self) -> Service {
        if self.chat.is_some() { Service::Chat } else { self.protocol.into() }
    }

    /// The longest reply that is read, in bytes.
    pub fn longest_reply(&self) -> usize {
        match self.protocol {
            // Of servers that may say something else than was asked for.
            ProtocolKind::Http | ProtocolKind::Resp => self.largest_message().max(LONG_REPLY),
            _ => self.largest_message(),
        }
    }

    /// What is spoken, in words.
    pub fn spoken(&self) -> String {
        match &self.chat {
            None => match self.pool {
                None => match self.reconnect_after {
                    None => format!("{} protocol", self.protocol),
                    Some(1) => format!("{} protocol, one request a connection", self.protocol),
                    Some(most) => {
                        format!("{} protocol, {most} requests a connection", self.protocol)
                    }
                },
                Some(PoolPlan { size: 0 }) => {
                    format!("{} protocol, a new connection for each request", self.protocol)
                }
                Some(PoolPlan { size }) => {
                    format!("{} protocol, callers share a pool of {size}", self.protocol)
                }
            },
            Some(ChatPlan { deaf: 0 }) => "chat; requests are deliveries".into(),
            Some(ChatPlan { deaf }) => format!("chat, {deaf} deaf; requests are deliveries"),
        }
    }

    /// The size of the largest message.
    pub fn largest_message(&self) -> usize {
        match &self.messages {
            MessagePlan::Generated { max_bytes, .. } => *max_bytes,
            MessagePlan::Given { texts, .. } => {
                texts.iter().map(String::len).max().unwrap_or(0)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
