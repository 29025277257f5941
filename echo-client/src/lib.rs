//! The client of the echo system: one connection to an echo server, driven by a person at
//! a prompt or by a pipe.
//!
//! [`Link`](link::Link) is the connection: [`connect`](connect::connect) makes it, and
//! [`handshake`](secure::handshake) agrees on TLS where it is wanted. [`Connection`] speaks a
//! protocol on it, [`filter`] and [`interactive`] are the two ways to use it, and [`Display`] decides
//! how a reply looks. The protocols themselves are `echo_proto`'s: one that is added there
//! works here. An [`Endpoint`] is a server as people type it. [`scan`](scan::scan) tells which ports of a host take connections,
//! [`ping`](ping::run) how long a server takes to reply, and a [`pool`] shares connections
//! among callers.
//!
//! This library parses no command line, traps no signal and never ends the process.

mod brief;
pub mod connect;
pub mod connection;
mod display;
mod editing;
mod endpoint;
mod error;
pub mod filter;
mod history;
mod in_flight;
pub mod interactive;
pub mod link;
pub mod ping;
pub mod pool;
pub mod ports;
mod prompt;
pub mod scan;
pub mod secure;

pub use connection::Connection;
pub use display::Display;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use error::{Attempt, ConnectError, SessionError};
