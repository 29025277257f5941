//! One member of a chat room, and what its lines mean: [`Member`].

use std::ops::ControlFlow;

use echo_proto::{CarriageReturn, LineSplitter, LineTooLong};

use crate::plan::Plan;

/// What a line says to a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// Another member of the run said something.
    Text { speaker: u32, body: &'a [u8] },
    /// The server refuses something.
    Error(&'a [u8]),
}

/// Room for a name, its colon and what a server may say of its own.
const SLACK: usize = 64 * 1024;

/// One member, as the lines of its connection show it.
#[derive(Debug)]
pub(super) struct Member {
    number: u32,
    /// What the names of this run's members begin with: other people may be in the room.
    prefix: String,
    lines: LineSplitter,
    joined: bool,
}

impl Member {
    pub(super) fn new(number: u32, plan: &Plan) -> Self {
        let limit = plan.largest_message() + SLACK;
        Self {
            number,
            prefix: format!("bench{:x}-", plan.seed & 0xffff),
            lines: LineSplitter::new(limit, CarriageReturn::Keep),
            joined: false,
        }
    }

    /// Whether it was let in.
    pub(super) fn has_joined(&self) -> bool {
        self.joined
    }

    /// What it says first.
    pub(super) fn introduction(&self) -> String {
        format!("/nick {}{}\n", self.prefix, self.number)
    }

    /// Tells `each` what the lines that `bytes` complete mean. Lines of other people in the
    /// room mean nothing.
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Heard<'_>),
    ) -> Result<(), LineTooLong> {
        let Self { lines, prefix, joined, .. } = self;
        let fed = lines.feed(bytes, |line| {
            if let Some(heard) = meaning(line, prefix, joined) {
                each(heard);
            }
            ControlFlow::Continue(())
        });
        fed.map(drop)
    }
}

fn meaning<'a>(line: &'a [u8], prefix: &str, joined: &mut bool) -> Option<Heard<'a>> {
    if let Some(rest) = line.strip_prefix(prefix.as_bytes()) {
        let colon = memchr::memmem::find(rest, b": ")?;
        let speaker = str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        return Some(Heard::Text { speaker, body: &rest[colon + 2..] });
    }
    if line.starts_with(b"ERROR: ") {
        return Some(Heard::Error(line));
    }
    // The first of these answers its own introduction.
    *joined |= line.starts_with(b"* ") && memchr::memmem::find(line, b" online: ").is_some();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let mut joined = false;
        for (line, joins) in [
            ("* Welcome. Choose a name with /nick <name>", false),
            ("* b1-3 joined", false),
            ("* 2 online: b1-0, b1-1", true),
        ] {
            assert_eq!(meaning(line.as_bytes(), "b1-", &mut joined), None);
            assert_eq!(joined, joins, "{line}");
        }
        let mut meaning = |line: &'static str| meaning(line.as_bytes(), "b1-", &mut joined);
        assert_eq!(meaning("b1-12: a: b"), Some(Heard::Text { speaker: 12, body: b"a: b" }));
        assert_eq!(meaning("b1-x: a"), None);
        assert_eq!(meaning("stranger: hello"), None);
        let error = "ERROR: Name is taken";
        assert_eq!(meaning(error), Some(Heard::Error(error.as_bytes())));
    }
}
