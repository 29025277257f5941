//! Messages on stderr: [`tell`]. They may contain text from peers, names and files.

use std::fmt::Display;

use echo_proto::terminal;

/// Prints a message, escaped for a terminal.
pub(crate) fn tell(said: impl Display) {
    anstream::eprintln!("{}", terminal::printable(&said.to_string()));
}
