//! How the generator itself works: [`SocketPlan`], [`IdleStrategy`], [`EngineKind`].

use std::net::IpAddr;
use std::time::Duration;

use echo_net::socket::{CongestionControl, SocketOptions, TcpOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Socket options of the generator. Over unix-domain sockets only the buffers have an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketPlan {
    /// Set TCP_NODELAY (disable Nagle's algorithm).
    pub nodelay: bool,
    /// Kernel send buffer as asked; null: the system's.
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer as asked; null: the system's.
    pub recv_buffer: Option<usize>,
    /// Congestion control; null: the system's.
    #[serde(
        default,
        with = "crate::as_text::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub congestion: Option<CongestionControl>,
    /// Whether segments are acknowledged immediately once a connection is made; null: as the
    /// system has it. The kernel goes on by its own rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quickack: Option<bool>,
    /// Limit of bytes that are queued in the kernel but not sent; null: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notsent_lowat: Option<u32>,
    /// TCP user timeout in milliseconds; null: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_timeout_ms: Option<u32>,
    /// Type of service or traffic class; null: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// Whether the first request of a connection may be in its SYN (TCP Fast Open); null: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastopen: Option<bool>,
    /// Addresses to connect from, in turn; empty: the system's choice.
    pub sources: Vec<IpAddr>,
}

impl Default for SocketPlan {
    fn default() -> Self {
        Self {
            nodelay: true,
            send_buffer: None,
            recv_buffer: None,
            congestion: None,
            quickack: None,
            notsent_lowat: None,
            user_timeout_ms: None,
            tos: None,
            fastopen: None,
            sources: Vec::new(),
        }
    }
}

impl SocketPlan {
    /// The options of each connection.
    pub fn options(&self) -> SocketOptions {
        let user_timeout = self.user_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        SocketOptions {
            nodelay: self.nodelay,
            send_buffer: self.send_buffer,
            recv_buffer: self.recv_buffer,
            keepalive: None,
            tcp: TcpOptions {
                congestion: self.congestion,
                quickack: self.quickack,
                notsent_lowat: self.notsent_lowat,
                user_timeout,
                tos: self.tos,
                fastopen: self.fastopen,
            },
        }
    }

    /// Whether the first request of a connection may be in its SYN.
    pub fn opens_fast(&self) -> bool {
        self.fastopen == Some(true)
    }

    /// The same plan with these options of TCP.
    #[must_use]
    pub fn with_tcp(self, tcp: &TcpOptions) -> Self {
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Self {
            congestion: tcp.congestion,
            quickack: tcp.quickack,
            notsent_lowat: tcp.notsent_lowat,
            user_timeout_ms: tcp.user_timeout.map(ms),
            tos: tcp.tos,
            fastopen: tcp.fastopen,
            ..self
        }
    }
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
