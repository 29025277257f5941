//! Shared test support: waiting for conditions, a blocking client, the programs as processes,
//! and made-up data. Errors panic, as in any test.
//!
//! The crates' own tests use it without features; `programs` adds the processes, and so all
//! crates; `reports` adds made-up reports, `help` checks of a command line's help.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

#[cfg(feature = "programs")]
pub mod bench_process;
pub mod black_hole;
pub mod client;
pub mod deadline;
pub mod fault_proxy;
#[cfg(feature = "help")]
pub mod help;
pub mod kernel_sockets;
pub mod lan;
#[cfg(feature = "reports")]
pub mod made_up;
pub mod one_connection;
pub mod program;
pub mod promptness;
pub mod queueing;
#[cfg(feature = "programs")]
pub mod running_server;
#[cfg(feature = "programs")]
pub mod syscall_faults;
pub mod turn;
pub mod two_hosts;
