//! The PostgreSQL protocol 3.0: as much of it as `psql`, `pgbench -f` and drivers need to drive
//! the server ([`PostgresResponder`]), and as the load generator needs to drive a PostgreSQL
//! ([`PostgresRequester`]). A message is the text of a `SELECT`, simple or extended. Nothing is
//! stored, no transaction is kept, and TLS is spoken from the first byte or not at all.

mod extended;
mod fields;
mod login;
mod opening;
mod portals;
mod refusal;
mod reply;
mod requester;
mod responder;
mod startup;
mod statement;
mod written;

pub use login::{InvalidLogin, PostgresLogin};
pub use requester::PostgresRequester;
pub use responder::PostgresResponder;
pub(crate) use responder::server_full;

/// Type byte and length: what every message but those of the start-up begins with.
const HEADER: usize = 5;

/// The name of the statement that requests execute, with its end.
const STATEMENT: &[u8] = b"echo\0";

/// The type `text`.
const TEXT: u32 = 25;
