//! Any server, started for a run by a command (`--exec`): [`CommandServer`].
//!
//! It runs under a supervisor, which is this program again ([`supervise`]). The supervisor is
//! the parent of all that the command starts, whatever forks or daemonises there, drains its
//! output, and ends all of it when it is told to or when the run that it belongs to is gone.

mod command;
mod output;
mod server;
mod supervised;
mod supervisor;

pub(crate) use command::split;
pub use command::{InvalidCommand, NamedCommand, Place, program_file};
pub(crate) use server::program_of;
pub use server::{CommandServer, Ending, Interrupted};
pub use supervisor::{launch, supervise};

/// The hidden subcommand by which the binary supervises a command.
pub(crate) const SUPERVISE: &str = "supervise";

/// The hidden subcommand by which a command gets the signal that ends it with its supervisor.
pub(crate) const LAUNCH: &str = "launch";
