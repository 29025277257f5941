//! What the program says on stderr: [`tell`]. Parts of it come from peers, names and files.

use std::fmt::Display;

use echo_proto::terminal;

/// Says it, with nothing that a terminal would obey; there is no styling of our own here.
pub(crate) fn tell(said: impl Display) {
    anstream::eprintln!("{}", terminal::printable(&said.to_string()));
}
