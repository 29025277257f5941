//! One member of a chat room, and what its lines mean: [`Member`].

use std::net::SocketAddr;
use std::ops::ControlFlow;

use echo_net::Nanos;
use echo_net::reactor::Key;
use echo_net::tls::Transform;
use echo_proto::{CarriageReturn, LineSplitter, LineTooLong, Opening};

use crate::plan::Plan;

/// How far a member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected yet.
    Dialling,
    /// Connected, and agreeing on TLS.
    Handshaking,
    /// Connected, and waiting to be let in under its name.
    Joining,
    /// Speaks and hears.
    In,
    /// Has joined, and reads nothing.
    Deaf,
    /// Could not join, or was lost.
    Gone,
}

/// What a line says to a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// It is let in.
    Joined,
    /// Another member of the run said something.
    Text { speaker: u32, body: &'a [u8] },
    /// The server refuses something.
    Error(&'a [u8]),
}

/// Room for a name, its colon and what a server may say of its own.
const SLACK: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) state: State,
    pub(super) key: Option<Key>,
    /// Where it connects to.
    pub(super) target: SocketAddr,
    /// How often that was begun.
    pub(super) dials: usize,
    pub(super) dialled_at: Nanos,
    pub(super) connected_at: Nanos,
    /// In a box, since most rooms have none.
    pub(super) tls: Option<Box<Transform>>,
    number: u32,
    /// What the names of this run's members begin with: other people may be in the room.
    prefix: String,
    lines: LineSplitter,
    /// What the server said first.
    pub(super) opening: Opening,
}

impl Member {
    pub(super) fn new(number: u32, target: SocketAddr, plan: &Plan) -> Self {
        let limit = plan.largest_message() + SLACK;
        Self {
            state: State::Dialling,
            key: None,
            target,
            dials: 0,
            dialled_at: 0,
            connected_at: 0,
            tls: None,
            number,
            prefix: format!("bench{:x}-", plan.seed & 0xffff),
            lines: LineSplitter::new(limit, CarriageReturn::Keep),
            opening: Opening::default(),
        }
    }

    pub(super) fn dialled(&mut self, key: Key, at: Nanos) {
        self.state = State::Dialling;
        (self.key, self.dialled_at) = (Some(key), at);
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
        let Self { lines, prefix, state, .. } = self;
        let mut joining = *state == State::Joining;
        let fed = lines.feed(bytes, |line| {
            if let Some(heard) = meaning(line, prefix, &mut joining) {
                each(heard);
            }
            ControlFlow::Continue(())
        });
        fed.map(drop)
    }
}

fn meaning<'a>(line: &'a [u8], prefix: &str, joining: &mut bool) -> Option<Heard<'a>> {
    if let Some(rest) = line.strip_prefix(prefix.as_bytes()) {
        let colon = memchr::memmem::find(rest, b": ")?;
        let speaker = str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        return Some(Heard::Text { speaker, body: &rest[colon + 2..] });
    }
    if line.starts_with(b"ERROR: ") {
        return Some(Heard::Error(line));
    }
    let online = line.starts_with(b"* ") && memchr::memmem::find(line, b" online: ").is_some();
    (online && std::mem::take(joining)).then_some(Heard::Joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let mut joining = true;
        let mut meaning = |line: &'static str| meaning(line.as_bytes(), "b1-", &mut joining);
        assert_eq!(meaning("* Welcome. Choose a name with /nick <name>"), None);
        assert_eq!(meaning("* b1-3 joined"), None);
        assert_eq!(meaning("* 2 online: b1-0, b1-1"), Some(Heard::Joined));
        assert_eq!(meaning("* 2 online: b1-0, b1-1"), None, "asked for by nobody");
        assert_eq!(meaning("b1-12: a: b"), Some(Heard::Text { speaker: 12, body: b"a: b" }));
        assert_eq!(meaning("b1-x: a"), None);
        assert_eq!(meaning("stranger: hello"), None);
        let error = "ERROR: Name is taken";
        assert_eq!(meaning(error), Some(Heard::Error(error.as_bytes())));
    }
}
