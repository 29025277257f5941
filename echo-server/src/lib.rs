//! An echo server whose concurrency model is a flag.
//!
//! [`run`] serves on the given listeners with a [`Config`] until a
//! [`Stop`](echo_net::stop::Stop) is requested. A connection is a sans-I/O session, which a
//! common driver connects with its socket; the concurrency [`model`]s only wait for sockets and
//! distribute connections over threads. Admission enforces the connection limit.
//! [`program`] is the `echo-server` command, for `main` and for programs that embed it.

mod admission;
pub mod balance;
mod binding;
mod buffered;
mod capacity;
mod chat;
pub mod choice;
pub mod cli;
mod config;
mod connection_log;
mod context;
mod counted;
mod counters;
mod deadline_sweep;
mod driver;
mod ending;
mod first_panic;
mod handshakes;
mod limits;
mod log_limit;
mod logging;
pub mod metrics;
pub mod model;
mod model_kind;
mod occupied;
mod processes;
pub mod program;
mod readiness;
mod response_times;
mod sandbox;
mod server;
mod session;
mod snapshot;
mod speaker;
mod sqpoll;
mod thread_budget;
mod tuning;

pub use config::Config;
pub use counters::{ChatServed, Served, TlsServed};
pub use limits::LimitsServed;
pub use model_kind::ModelKind;
pub use server::{Server, ServerSummary, ServerWatch, SocketSummary, WorkerSummary, run};
pub use sqpoll::SqpollSummary;
pub use tuning::{Accept, Trigger, Tuning};
