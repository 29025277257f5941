//! What is said while a full-screen view has the terminal: it is held back, shown in the view, and
//! said when the terminal is given back.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStderr, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use echo_proto::terminal;

/// Most lines that are held back.
const MOST: usize = 10_000;

static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Vec<String>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on what is said on stderr is held back.
pub fn hold() {
    held().get_or_insert_default();
}

/// The stderr of a process that is to say things to the user: ours, or a pipe to be
/// [passed on](pass_on) if what is said is held back.
pub fn stderr_of_child() -> Stdio {
    if held().is_some() { Stdio::piped() } else { Stdio::inherit() }
}

/// Says all that was held back, and holds nothing back from now on.
pub fn release() {
    let lines = held().take().unwrap_or_default();
    for line in lines {
        // There is nowhere left to complain about a stderr that is closed.
        let _ = writeln!(anstream::stderr(), "{line}");
    }
}

/// Lines that were held back after the first so many, without their styles.
pub fn held_from(known: usize) -> Vec<String> {
    let held = held();
    let new = held.iter().flat_map(|lines| lines.iter().skip(known));
    new.map(|line| anstream::adapter::strip_str(line).to_string()).collect()
}

/// Holds a line back, or returns it.
pub(super) fn hold_back(line: String) -> Option<String> {
    match &mut *held() {
        None => Some(line),
        Some(lines) => {
            if lines.len() < MOST {
                lines.push(line);
            }
            None
        }
    }
}

/// Says, line by line, what a child process says on its stderr. For as long as it has one.
pub fn pass_on(stderr: ChildStderr) {
    let lines = BufReader::new(stderr).split(b'\n').map_while(Result::ok);
    let pass_on = move || {
        for line in lines {
            let line = terminal::printable(&String::from_utf8_lossy(&line));
            if let Some(line) = hold_back(line) {
                let _ = writeln!(anstream::stderr(), "{line}");
            }
        }
    };
    // Without a thread nobody reads it, and the child finds its pipe closed.
    let _ = thread::Builder::new().name("child-stderr".into()).spawn(pass_on);
}
