//! What went wrong, by kind, with the first offender of each: [`Errors`].

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// The ways in which a request or a connection can fail.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, Serialize, Deserialize,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A reply whose bytes differ.
    Corrupt,
    /// A reply that ends early.
    Truncated,
    /// A reply that goes on after its end.
    Extended,
    /// A reply to a request of another connection, or of another stream.
    Foreign,
    /// A second reply to a request.
    Duplicated,
    /// A request that was passed over: a later one was answered first.
    Dropped,
    /// A reply out of turn.
    Reordered,
    /// A reply that no request asked for.
    Unsolicited,
    /// Bytes that are no reply of the protocol.
    Malformed,
    /// A reply that is longer than our limit.
    TooLong,
    /// An error of the protocol as the reply.
    ErrorReply,
    /// No reply within the timeout.
    Timeout,
    /// The connection broke.
    Reset,
    /// The server closed the connection.
    Closed,
    /// The connection could not be made.
    Refused,
    /// The connection was not made in time.
    ConnectTimeout,
    /// The server did not prove who it is: its certificate was not accepted.
    TlsCertificate,
    /// No TLS handshake came about for another reason, or not in time.
    TlsHandshake,
    /// No socket could be had on this side: descriptors or ports have run out.
    NoSocket,
    /// A request that was due and never sent, since no slot became free.
    Unsent,
    /// A request without a reply when the drain ended.
    InFlight,
}

/// The first failure of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstOffender {
    /// The connection's number.
    pub connection: u32,
    /// The request's number on its connection, where one is concerned.
    pub request: Option<u64>,
    /// What was seen.
    pub detail: String,
    /// Where a reply differs from the right one, if that is what is wrong.
    pub difference: Option<Difference>,
}

/// Where a reply differs from the right one. Texts are escaped excerpts from there on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first byte of the message that differs.
    pub offset: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub got: String,
}

impl Difference {
    /// Bytes of an excerpt.
    const EXCERPT: usize = 32;

    /// Where `got` first differs from `expected`.
    pub fn between(expected: &[u8], got: &[u8]) -> Self {
        let same = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
        let excerpt = |bytes: &[u8]| {
            let rest = &bytes[same..];
            rest[..rest.len().min(Self::EXCERPT)].escape_ascii().to_string()
        };
        Self { offset: same as u64, expected: excerpt(expected), got: excerpt(got) }
    }
}

/// How `got` differs from `expected`, in words.
pub fn difference_in_words(expected: &[u8], got: &[u8]) -> String {
    let Difference { offset, expected: there, got: instead } =
        Difference::between(expected, got);
    match (offset as usize, got.get(expected.len()..)) {
        (same, Some(more)) if same == expected.len() => {
            let hint = match more {
                b"\r" => " (the server ends its lines with CRLF, and not with LF alone)",
                _ => "",
            };
            format!(
                "the expected reply, and then {} more: `{instead}`{hint}",
                bytes(more.len())
            )
        }
        (same, _) if same == got.len() => {
            format!("the first {} of the {} of the expected reply", same, bytes(expected.len()))
        }
        (same, _) => format!("byte {same}: expected `{there}`, got `{instead}`"),
    }
}

fn bytes(count: usize) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}

/// Failures by kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errors {
    kinds: BTreeMap<FailureKind, (u64, FirstOffender)>,
}

impl Errors {
    /// Counts a failure; `first` is made only for the first of its kind.
    pub fn count(&mut self, kind: FailureKind, first: impl FnOnce() -> FirstOffender) {
        self.count_many(kind, 1, first);
    }

    /// Counts several failures of one kind.
    pub fn count_many(
        &mut self,
        kind: FailureKind,
        failures: u64,
        first: impl FnOnce() -> FirstOffender,
    ) {
        if failures > 0 {
            self.kinds.entry(kind).or_insert_with(|| (0, first())).0 += failures;
        }
    }

    /// Kind, count and first offender, in the order of the kinds.
    pub fn iter(&self) -> impl Iterator<Item = (FailureKind, u64, &FirstOffender)> {
        self.kinds.iter().map(|(kind, (count, first))| (*kind, *count, first))
    }

    /// How often a kind occurred.
    pub fn of(&self, kind: FailureKind) -> u64 {
        self.kinds.get(&kind).map_or(0, |(count, _)| *count)
    }

    /// All failures.
    pub fn total(&self) -> u64 {
        self.kinds.values().map(|(count, _)| count).sum()
    }
}

impl AddAssign<&Self> for Errors {
    fn add_assign(&mut self, other: &Self) {
        for (kind, count, first) in other.iter() {
            self.count_many(kind, count, || first.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_where_it_is() {
        let long = "x".repeat(500);
        let (end, other) = (format!("{long}\r"), format!("{long}yz"));
        for (expected, got, told) in [
            (&*long, &*end, "and then 1 byte more: `\\r` (the server ends its lines with CRLF"),
            (&*long, &*other, "and then 2 bytes more: `yz`"),
            (&*long, &long[..499], "the first 499 of the 500 bytes of the expected reply"),
            ("abc", "axc", "byte 1: expected `bc`, got `xc`"),
        ] {
            let words = difference_in_words(expected.as_bytes(), got.as_bytes());
            assert!(words.contains(told), "{words}");
        }
    }
}
