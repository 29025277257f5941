//! What is said to whoever has started the program: results on stdout ([`print`](print())), all
//! else on stderr. Nothing in it is obeyed by a terminal.

use std::io::Write;

use anyhow::Context;

use echo_net::stdout;
use echo_proto::terminal;

/// Prints on stdout, with nothing that a terminal would obey; a reader that has gone away is no
/// error. There is no styling of our own, and JSON and pages are escaped in their own way before.
///
/// # Errors
/// When it can't be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    let text = terminal::printable(text);
    let written = anstream::stdout().lock().write_all(text.as_bytes());
    stdout::finish(written).context("writing to stdout")
}

/// Prints an error on stderr, with nothing that a terminal would obey.
pub fn complain(text: &str) {
    // There is nowhere left to complain about a stderr that is closed.
    let _ = writeln!(anstream::stderr(), "error: {}", terminal::printable(text));
}

/// A remark, apart from the results, with nothing that a terminal would obey.
pub fn tell(text: &str) {
    // A remark that nobody can see is no reason to fail.
    let _ = writeln!(anstream::stderr(), "{}", terminal::printable(text));
}
