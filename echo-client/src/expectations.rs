//! Whether replies are what their requests asked for: [`Expectations`] in, [`Deviations`] out. No
//! socket, no clock. Of each pending request a digest is kept, and of very many together one, so
//! that a server that answers nothing costs no memory.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};

use echo_proto::{Expected, Outcome};

/// Pending requests that have a digest of their own; later ones share that of those before.
const SINGLE: usize = 4096;

/// Maximum number of digests. Requests beyond, which only alternating kinds of requests can reach,
/// are not checked.
const MOST: usize = 65_536;

/// Replies that were not what their requests asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deviations {
    /// The first and the last of the replies among which a wrong one was found first, counted
    /// from 1.
    pub wrong: Option<(u64, u64)>,
    /// Error replies.
    pub errors: u64,
    /// The first reply that was an error, counted from 1.
    pub first_error: Option<u64>,
    /// Replies that no request asked for.
    pub unsolicited: u64,
}

impl Deviations {
    /// Whether every reply was right.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "reply" } else { "replies" };
        let mut separator = "";
        if let Some((first, last)) = self.wrong {
            if first == last {
                write!(f, "reply {first} is not the echo of its request")?;
            } else {
                write!(f, "one of replies {first} to {last} is not the echo of its request")?;
            }
            separator = ", ";
        }
        if let Some(first) = self.first_error {
            let (errors, replies) = (self.errors, plural(self.errors));
            write!(f, "{separator}{errors} error {replies}, the first is reply {first}")?;
            separator = ", ";
        }
        match self.unsolicited {
            0 => Ok(()),
            unsolicited => {
                write!(f, "{separator}{unsolicited} unsolicited {}", plural(unsolicited))
            }
        }
    }
}

/// What the reply to a request must be, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The echo that the digest is of.
    Echo,
    /// Anything but an error.
    Success,
    /// Anything.
    Any,
}

/// Consecutive requests of one kind.
#[derive(Debug, Clone, Copy)]
struct Group {
    kind: Kind,
    digest: u64,
    requests: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    groups: VecDeque<Group>,
    /// Replies to requests of the first group so far, and their digest.
    replies: u64,
    digest: u64,
    /// Whether a reply of the first group was found to be wrong by itself.
    spoiled: bool,
    /// Replies so far to requests.
    answered: u64,
    deviations: Deviations,
}

impl Expectations {
    /// A request was queued.
    pub(crate) fn asked(&mut self, expected: Expected<'_>) {
        let (kind, text) = match expected {
            Expected::Echo(text) => (Kind::Echo, text),
            Expected::Success => (Kind::Success, &b""[..]),
            Expected::Any => (Kind::Any, &b""[..]),
        };
        let groups = self.groups.len();
        match self.groups.back_mut() {
            // The first group is being compared, and must not change.
            Some(last)
                if groups > 1
                    && last.kind == kind
                    && (groups >= SINGLE || kind != Kind::Echo) =>
            {
                last.requests += 1;
                last.digest = chained(last.digest, text);
            }
            Some(last) if groups >= MOST => {
                last.kind = Kind::Any;
                last.requests += 1;
            }
            _ => self.groups.push_back(Group { kind, digest: chained(0, text), requests: 1 }),
        }
    }

    /// A reply to the oldest request came.
    pub(crate) fn answered(&mut self, outcome: Outcome, body: &[u8]) {
        self.answered += 1;
        let Some(&Group { kind, digest, requests }) = self.groups.front() else { return };
        self.replies += 1;
        self.digest = chained(self.digest, body);
        let reply = self.answered;
        match (kind, outcome) {
            (Kind::Echo | Kind::Success, Outcome::Error) => {
                self.deviations.errors += 1;
                self.deviations.first_error.get_or_insert(reply);
                self.spoiled = true;
            }
            (Kind::Echo, Outcome::Unexpected) => {
                self.deviations.wrong.get_or_insert((reply, reply));
                self.spoiled = true;
            }
            _ => {}
        }
        if self.replies < requests {
            return;
        }
        if kind == Kind::Echo && !self.spoiled && self.digest != digest {
            self.deviations.wrong.get_or_insert((reply + 1 - requests, reply));
        }
        self.groups.pop_front();
        (self.replies, self.digest, self.spoiled) = (0, 0, false);
    }

    /// A reply came that no request asked for.
    pub(crate) fn unsolicited(&mut self) {
        self.deviations.unsolicited += 1;
    }

    /// What was found so far.
    pub(crate) fn deviations(&self) -> Deviations {
        self.deviations
    }
}

/// The digest of the texts that `digest` is of, and of one more.
fn chained(digest: u64, text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(digest);
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of requests for these echoes and their replies.
    fn found(asked: &[&str], replies: &[(Outcome, &str)]) -> String {
        let mut expectations = Expectations::default();
        for text in asked {
            expectations.asked(Expected::Echo(text.as_bytes()));
        }
        for (outcome, body) in replies {
            expectations.answered(*outcome, body.as_bytes());
        }
        expectations.deviations().to_string()
    }

    #[test]
    fn a_reply_that_is_no_echo_is_named_by_its_number() {
        use Outcome::{Echo, Error, Unexpected};
        for (replies, words) in [
            (vec![(Echo, "a"), (Echo, "b"), (Echo, "c")], ""),
            (
                vec![(Echo, "a"), (Echo, "c"), (Echo, "c")],
                "reply 2 is not the echo of its request",
            ),
            (vec![(Unexpected, "a")], "reply 1 is not the echo of its request"),
            (vec![(Error, "no"), (Echo, "b")], "1 error reply, the first is reply 1"),
            (
                vec![(Error, "no"), (Error, "b"), (Echo, "?")],
                "reply 3 is not the echo of its request, 2 error replies, the first is reply 1",
            ),
        ] {
            assert_eq!(found(&["a", "b", "c"], &replies), words);
        }
    }

    #[test]
    fn very_many_pending_requests_take_little_memory_and_are_checked_all() {
        let count = 3 * SINGLE as u64;
        for wrong in [None, Some(0), Some(5000), Some(count - 1)] {
            let mut expectations = Expectations::default();
            for request in 0..count {
                expectations.asked(Expected::Echo(&request.to_be_bytes()));
            }
            assert!(expectations.groups.len() <= SINGLE);
            for request in 0..count {
                let body = if wrong == Some(request) { 7777 } else { request };
                expectations.answered(Outcome::Echo, &body.to_be_bytes());
            }
            let range = expectations.deviations().wrong;
            assert_eq!(range.is_some(), wrong.is_some(), "{wrong:?}");
            if let (Some(wrong), Some((first, last))) = (wrong, range) {
                assert!((first..=last).contains(&(wrong + 1)), "{wrong} in {first} to {last}");
            }
            assert!(expectations.groups.is_empty());
        }
    }

    #[test]
    fn what_need_not_be_an_echo_is_checked_for_errors_alone() {
        let mut expectations = Expectations::default();
        for expected in [Expected::Any, Expected::Success, Expected::Success, Expected::Any] {
            expectations.asked(expected);
        }
        for outcome in [Outcome::Error, Outcome::Echo, Outcome::Error, Outcome::Unexpected] {
            expectations.answered(outcome, b"?");
        }
        let Deviations { errors, first_error, wrong, .. } = expectations.deviations();
        assert_eq!((errors, first_error, wrong), (1, Some(3), None));
    }

    #[test]
    fn alternating_kinds_of_requests_are_bounded_too() {
        let mut expectations = Expectations::default();
        let count = 2 * MOST as u64;
        for request in 0..count {
            let echo = Expected::Echo(b"a");
            expectations.asked(if request % 2 == 0 { echo } else { Expected::Any });
        }
        assert!(expectations.groups.len() <= MOST);
        for _ in 0..count {
            expectations.answered(Outcome::Echo, b"a");
        }
        assert!(expectations.groups.is_empty() && expectations.deviations().is_none());
    }
}
