//! The client of the echo system as a library: connections to an echo server, and what is
//! measured on them.
//!
//! [`Link`](link::Link) is the connection: [`connect`](connect::connect) makes it, and
//! [`handshake`](secure::handshake) negotiates TLS where it is asked for. [`Connection`] speaks
//! a protocol on it. The protocols themselves are `echo_proto`'s: one that is added there works
//! here. An [`Endpoint`] is a server as people type it. [`scan`](scan::scan) reports which ports
//! of a host accept connections, [`ping`](ping::run) how long a server takes to reply, and a
//! [`pool`] shares connections among callers.
//!
//! The prompt, the filter for pipes and the command line belong to the program `echo-client`,
//! which the feature `cli` (on by default) builds. This library parses no command line, traps
//! no signal and never ends the process; `default-features = false` leaves out the dependencies
//! of the program.

mod brief;
pub mod connect;
pub mod connection;
mod endpoint;
mod error;
mod in_flight;
pub mod link;
pub mod ping;
pub mod pool;
pub mod ports;
pub mod scan;
pub mod secure;

pub use connection::Connection;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use error::{Attempt, ConnectError, SessionError};
pub use in_flight::Tally;
