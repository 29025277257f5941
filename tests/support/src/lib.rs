//! What the tests of the echo system share: waiting for conditions, a client that says what a
//! user would notice, the programs as processes, and what is made up for them. A test that
//! fails panics, and so does all of this.
//!
//! The crates' own tests take it without features; `programs` adds the processes, and so the
//! whole system; `reports` the reports that are made up.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

#[cfg(feature = "programs")]
pub mod bench_process;
pub mod client;
pub mod deadline;
pub mod kernel_sockets;
#[cfg(feature = "reports")]
pub mod made_up;
pub mod one_connection;
pub mod program;
#[cfg(feature = "programs")]
pub mod running_server;
pub mod turn;
