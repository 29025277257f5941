//! What is said while a full-screen view has the terminal: it is held back, shown in the view, and
//! said when the terminal is given back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStderr, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use echo_bench_report::describe::units;
use echo_proto::terminal;

/// Most lines that are held back; the rest is counted.
const MOST: usize = 10_000;

/// Longest line of a child process; of a longer one the pieces are lines.
const LONGEST: u64 = 16 * 1024;

static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// What is held back.
#[derive(Debug, Default)]
struct Held {
    lines: Vec<String>,
    left_out: u64,
}

impl Held {
    fn add(&mut self, line: String) {
        if self.lines.len() < MOST {
            self.lines.push(line);
        } else {
            self.left_out += 1;
        }
    }

    /// The lines, and how many are missing.
    fn into_lines(mut self) -> Vec<String> {
        if self.left_out > 0 {
            let left_out = units::counted(self.left_out, "more line");
            self.lines.push(format!("note: {left_out} left out: --live keeps {MOST}"));
        }
        self.lines
    }
}

fn held() -> MutexGuard<'static, Option<Held>> {
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
    let held = held().take().unwrap_or_default();
    for line in held.into_lines() {
        // There is nowhere left to complain about a stderr that is closed.
        let _ = writeln!(anstream::stderr(), "{line}");
    }
}

/// Lines that were held back after the first so many, without their styles.
pub fn held_from(known: usize) -> Vec<String> {
    let held = held();
    let new = held.iter().flat_map(|held| held.lines.iter().skip(known));
    new.map(|line| anstream::adapter::strip_str(line).to_string()).collect()
}

/// Holds a line back, or returns it.
pub(super) fn hold_back(line: String) -> Option<String> {
    match &mut *held() {
        None => Some(line),
        Some(held) => {
            held.add(line);
            None
        }
    }
}

/// Says, line by line, what a child process says on its stderr. For as long as it has one.
pub fn pass_on(stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let pass_on = move || {
        while let Ok(Some(line)) = next_line(&mut stderr) {
            if let Some(line) = hold_back(terminal::printable(&line)) {
                let _ = writeln!(anstream::stderr(), "{line}");
            }
        }
    };
    // Without a thread nobody reads it, and the child finds its pipe closed.
    let _ = thread::Builder::new().name("child-stderr".into()).spawn(pass_on);
}

/// The next line without its end, or as much of it as a line may be long; none at the end.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_no_line_is_passed_on_in_pieces() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        for _ in 0..2 {
            let piece = next_line(&mut endless).unwrap().unwrap();
            assert_eq!(piece.len() as u64, LONGEST);
        }
        let mut lines = &b"one\n\ntwo"[..];
        let mut next = || next_line(&mut lines).unwrap();
        let told = [next(), next(), next(), next()];
        assert_eq!(told.map(|line| line.unwrap_or("-".into())), ["one", "", "two", "-"]);
    }

    #[test]
    fn lines_that_found_no_room_are_counted() {
        let mut held = Held::default();
        for number in 0..MOST + 2 {
            held.add(number.to_string());
        }
        let lines = held.into_lines();
        assert_eq!((lines.len(), lines[MOST - 1].as_str()), (MOST + 1, "9999"));
        assert_eq!(lines[MOST], "note: 2 more lines left out: --live keeps 10000");
    }
}
