//! An echo server whose concurrency model is a flag.
//!
//! [`run`] serves on the given listeners with a [`Config`] until a
//! [`Stop`](echo_net::stop::Stop) is requested. A connection is a sans-I/O [`session`], which a
//! common driver connects with its socket; the concurrency [`model`]s only wait for sockets and
//! distribute connections over threads. [`admission`] enforces the connection limit.
//! [`program`] is the `echo-server` command, for `main` and for programs that embed it.

pub mod admission;
pub mod balance;
pub mod binding;
mod capacity;
pub mod chat;
pub mod choice;
pub mod cli;
mod config;
mod context;
mod counted;
pub mod counters;
mod deadline_sweep;
mod driver;
mod log_limit;
pub mod logging;
pub mod model;
mod model_kind;
pub mod program;
mod server;
pub mod session;
pub mod speaker;
mod thread_budget;

pub use config::Config;
pub use context::Context;
pub use model_kind::ModelKind;
pub use server::{Server, ServerSummary, run};
