//! Recorded instants at which requests fall due: [`Recorded`], read from a text and stored by
//! its digest, with the instants themselves only where they are few.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::{SECOND, nanos};
use echo_net::settings::{InvalidTimeSpan, TimeSpan};

use crate::fingerprint;

/// Most recorded instants.
const MOST: usize = 10_000_000;

/// Most instants that a stored plan holds.
const MOST_STORED: usize = 10_000;

/// The latest instant: every reader of JSON gets numbers up to it back exactly.
const LATEST: Nanos = 1 << 53;

/// Instants at which requests fall due, in rising order, in nanoseconds after the beginning of
/// the measured window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Document", into = "Document")]
#[schemars(with = "Document")]
pub struct Recorded {
    count: u64,
    span_ns: Nanos,
    digest: String,
    /// None in a stored plan that had too many.
    instants: Option<Arc<[Nanos]>>,
}

/// Recorded instants as a plan stores them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Recorded")]
struct Document {
    /// How many there are.
    count: u64,
    /// The last.
    span_ns: Nanos,
    /// Fingerprint of all of them.
    digest: String,
    /// They, in nanoseconds after the beginning of the window; null of more than 10 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instants_ns: Option<Vec<Nanos>>,
}

/// A text that is no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecording {
    /// Nothing in it.
    #[error("it holds no instant")]
    Empty,
    /// More than are kept.
    #[error("it holds more than {MOST} instants")]
    TooMany,
    /// A line that is none.
    #[error("line {line}: {reason}")]
    Instant {
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: InvalidTimeSpan,
    },
    /// A line that goes back.
    #[error("line {line}: `{text}` is before the instant above it (sort the file)")]
    Back {
        /// Which, from 1.
        line: usize,
        /// It.
        text: String,
    },
    /// A line too far away.
    #[error("line {line}: `{text}` is later than 2501 h (104 days) after the beginning")]
    Late {
        /// Which, from 1.
        line: usize,
        /// It.
        text: String,
    },
    /// A stored plan whose parts do not fit together.
    #[error("the recorded instants do not fit their count, span and digest")]
    Damaged,
}

impl Recorded {
    /// Reads a line each, as a number of seconds or with a unit; `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn read(text: &str) -> Result<Self, InvalidRecording> {
        let mut instants: Vec<Nanos> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let instant: TimeSpan =
                text.parse().map_err(|reason| InvalidRecording::Instant { line, reason })?;
            let at = nanos(instant.0);
            if at > LATEST {
                return Err(InvalidRecording::Late { line, text: text.to_owned() });
            }
            if instants.last().is_some_and(|&before| at < before) {
                return Err(InvalidRecording::Back { line, text: text.to_owned() });
            }
            if instants.len() == MOST {
                return Err(InvalidRecording::TooMany);
            }
            instants.push(at);
        }
        Self::new(instants).ok_or(InvalidRecording::Empty)
    }

    fn new(instants: Vec<Nanos>) -> Option<Self> {
        let &span_ns = instants.last()?;
        let digest = fingerprint::digest(instants.iter().flat_map(|at| at.to_le_bytes()));
        Some(Self {
            count: instants.len() as u64,
            span_ns,
            digest,
            instants: Some(instants.into()),
        })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Fingerprint of all of them.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// They; none in a stored plan that had too many.
    pub fn instants(&self) -> Option<&Arc<[Nanos]>> {
        self.instants.as_ref()
    }

    /// How long the load lasts: until the last instant, and for a mean gap after it, so that
    /// the count over the length is the rate.
    pub fn length_ns(&self) -> Nanos {
        let gap = self.span_ns.checked_div(self.count.saturating_sub(1)).filter(|gap| *gap > 0);
        self.span_ns.saturating_add(gap.unwrap_or(SECOND))
    }

    /// Requests per second over the whole length.
    pub fn rate_per_s(&self) -> f64 {
        self.count as f64 * 1e9 / self.length_ns() as f64
    }
}

impl TryFrom<Document> for Recorded {
    type Error = InvalidRecording;

    fn try_from(document: Document) -> Result<Self, InvalidRecording> {
        let Document { count, span_ns, digest, instants_ns } = document;
        let Some(instants) = instants_ns else {
            let is_sensible = count > 0 && span_ns <= LATEST;
            let stored = Self { count, span_ns, digest, instants: None };
            return if is_sensible { Ok(stored) } else { Err(InvalidRecording::Damaged) };
        };
        let fits = |found: &Self| {
            (found.count, found.span_ns, &found.digest) == (count, span_ns, &digest)
        };
        let is_sorted = instants.is_sorted() && span_ns <= LATEST && instants.len() <= MOST;
        let found = Self::new(instants).filter(fits).filter(|_| is_sorted);
        found.ok_or(InvalidRecording::Damaged)
    }
}

impl From<Recorded> for Document {
    fn from(recorded: Recorded) -> Self {
        let Recorded { count, span_ns, digest, instants } = recorded;
        let few = instants.filter(|instants| instants.len() <= MOST_STORED);
        Self { count, span_ns, digest, instants_ns: few.map(|few| few.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_instant_and_comments_are_none() {
        let text = "# from the load balancer\n0\n0.25  # a quarter\n\n250ms\n1.5s\r\n";
        let recorded = Recorded::read(text).unwrap();
        let instants = recorded.instants().unwrap();
        assert_eq!(instants[..], [0, SECOND / 4, SECOND / 4, 3 * SECOND / 2]);
        assert_eq!(recorded.length_ns(), 2 * SECOND);
        assert!((recorded.rate_per_s() - 2.0).abs() < 1e-9);
        for (wrong, said) in [
            ("", "no instant"),
            ("# only this\n", "no instant"),
            ("1\nsoon\n", "line 2: invalid duration `soon`"),
            ("1\n\n0.5\n", "line 3: `0.5` is before"),
            ("9999999\n", "line 1: `9999999` is later"),
        ] {
            let told = Recorded::read(wrong).unwrap_err().to_string();
            assert!(told.contains(said), "{wrong:?}: {told}");
        }
    }

    #[test]
    fn one_instant_and_many_at_once_have_a_length() {
        for (text, length_ns) in [("3", 4 * SECOND), ("0\n0\n0", SECOND)] {
            assert_eq!(Recorded::read(text).unwrap().length_ns(), length_ns);
        }
    }

    #[test]
    fn few_are_stored_and_of_many_the_digest() {
        let few = Recorded::read("0\n1\n2\n").unwrap();
        let stored = serde_json::to_string(&few).unwrap();
        assert_eq!(serde_json::from_str::<Recorded>(&stored).unwrap(), few);
        for (from, to) in [("2000000000]", "2000000001]"), ("[0,1", "[1,0"), ("[0,", "[")] {
            let damaged = stored.replace(from, to);
            assert_ne!(damaged, stored);
            assert!(serde_json::from_str::<Recorded>(&damaged).is_err(), "{damaged}");
        }
        let lines: Vec<String> = (0..=MOST_STORED).map(|at| at.to_string()).collect();
        let many = Recorded::read(&lines.join("\n")).unwrap();
        let stored = serde_json::to_string(&many).unwrap();
        assert!(stored.len() < 200, "{stored}");
        let again: Recorded = serde_json::from_str(&stored).unwrap();
        assert_eq!((again.instants(), again.digest()), (None, many.digest()));
    }
}
