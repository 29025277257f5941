//! The client of the echo system as a library: connections to an echo server, and what is
//! measured on them.
//!
//! [`Link`](link::Link) is an established connection: [`connect`](connect::connect) makes it,
//! and [`handshake`](secure::handshake) negotiates TLS. A [`Connection`] adds a protocol of
//! `echo_proto`. An [`Endpoint`] is a server as typed by a user. [`scan`](scan::scan) reports
//! the open ports of a host, [`ping`](ping::run) measures round-trip times, and a [`pool`]
//! shares connections among callers.
//!
//! The prompt, the filter for pipes and the command line belong to the program `echo-client`,
//! which the feature `cli` (on by default) builds. This library parses no command line, traps
//! no signal and never exits; `default-features = false` omits the dependencies of the program.

mod brief;
pub mod connect;
pub mod connection;
pub mod credentials;
mod endpoint;
mod error;
mod expectations;
mod in_flight;
pub mod link;
pub mod mask;
pub mod ping;
pub mod pool;
pub mod ports;
pub mod scan;
pub mod secure;
pub mod url_password;

pub use connection::Connection;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use error::{Attempt, ConnectError, SessionError};
pub use expectations::Deviations;
pub use in_flight::Tally;
