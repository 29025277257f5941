//! A chat room without I/O: [`Room`]. It takes lines from members and decides who receives
//! which line, in which order; delivery is the caller's.
//!
//! Members receive messages only once they have a name, so that nobody listens unseen. Text of
//! a member can't control another's terminal or look like a server line: it is sanitized and
//! prefixed with the sender's name, which is unique and holds neither space nor `*`.

mod names;
mod responder;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::fmt::Display;

use names::Names;
pub use responder::ChatLines;

/// The first line sent to a new member.
pub const GREETING: &str = "* Welcome. Choose a name with /nick <name>\n";

const HELP: &str = "* Commands: /nick <name>, /msg <name> <text>, /who, /help, /quit\n";

/// A member of a [`Room`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(u64);

/// Recipients of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// This member only.
    Only(MemberId),
    /// Every named member except this one.
    Others(MemberId),
}

/// Whether a member stays in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stay {
    /// The member stays.
    In,
    /// The member asked to leave; the caller flushes its pending output and calls
    /// [`leave`](Room::leave).
    Out,
}

/// Delivers a line, newline included, to its audience.
pub type Post<'a> = &'a mut dyn FnMut(Audience, &str);

/// The members and their names.
#[derive(Debug, Default)]
pub struct Room {
    /// All members, with their name once they have one.
    members: HashMap<MemberId, Option<String>>,
    names: Names,
    next: u64,
}

impl Room {
    /// Adds a member; the caller sends it the [`GREETING`].
    pub fn enter(&mut self) -> MemberId {
        let member = MemberId(self.next);
        self.next += 1;
        self.members.insert(member, None);
        member
    }

    /// Processes a line of a member, without its newline. Lines of a member that has left are
    /// ignored.
    pub fn say(&mut self, member: MemberId, line: &[u8], post: Post<'_>) -> Stay {
        let Some(name) = self.members.get(&member).cloned() else { return Stay::Out };
        let mut answer = |text: &str| post(Audience::Only(member), text);
        let Ok(line) = str::from_utf8(line) else {
            answer("ERROR: Invalid UTF-8\n");
            return Stay::In;
        };
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "/nick" => self.rename(member, name, rest, post),
            "/help" => answer(HELP),
            "/who" => answer(&self.online()),
            "/quit" => return Stay::Out,
            "/msg" => match name {
                Some(name) => self.whisper(&name, rest, member, post),
                None => answer("ERROR: Choose a name first\n"),
            },
            _ if command.starts_with('/') => answer("ERROR: Unknown command, see /help\n"),
            _ => match name {
                Some(name) => {
                    let text = text::cleaned(line);
                    post(Audience::Others(member), &format!("{name}: {text}\n"));
                }
                None => answer("ERROR: Choose a name first\n"),
            },
        }
        Stay::In
    }

    /// Removes a member, for whatever reason. A second call does nothing.
    pub fn leave(&mut self, member: MemberId, post: Post<'_>) {
        if let Some(Some(name)) = self.members.remove(&member) {
            self.names.release(&name, member);
            post(Audience::Others(member), &format!("* {name} left\n"));
        }
    }

    /// All named members, sorted by name.
    pub fn named(&self) -> impl Iterator<Item = MemberId> {
        self.names.members()
    }

    fn rename(&mut self, member: MemberId, old: Option<String>, wanted: &str, post: Post<'_>) {
        let mut refuse =
            |reason: &dyn Display| post(Audience::Only(member), &format!("ERROR: {reason}\n"));
        if old.as_deref() == Some(wanted) {
            return refuse(&"You have that name already");
        }
        if let Err(reason) = self.names.claim(wanted, member, old.as_deref()) {
            return refuse(&reason);
        }
        self.members.insert(member, Some(wanted.to_owned()));
        if let Some(old) = old {
            let told = format!("* {old} is now {wanted}\n");
            post(Audience::Others(member), &told);
            post(Audience::Only(member), &told);
        } else {
            post(Audience::Others(member), &format!("* {wanted} joined\n"));
            post(Audience::Only(member), &self.online());
        }
    }

    fn whisper(&self, from: &str, rest: &str, member: MemberId, post: Post<'_>) {
        let (to, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut refuse =
            |reason: &str| post(Audience::Only(member), &format!("ERROR: {reason}\n"));
        if words.is_empty() {
            return refuse("Say what to send: /msg <name> <text>");
        }
        let Some(to) = self.names.holder(to) else {
            return refuse("No such user");
        };
        let words = text::cleaned(words);
        post(Audience::Only(to), &format!("{from} (private): {words}\n"));
    }

    fn online(&self) -> String {
        let names: Vec<&str> = self
            .names
            .members()
            .filter_map(|member| self.members.get(&member)?.as_deref())
            .collect();
        format!("* {} online: {}\n", names.len(), names.join(", "))
    }
}
