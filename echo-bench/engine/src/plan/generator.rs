//! How the generator itself works: [`SocketPlan`], [`IdleStrategy`], [`EngineKind`].

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
