//! What went wrong, by kind, with the first offender of each: [`Errors`].

use std::collections::BTreeMap;
use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The parts of a run.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the load: connections are made.
    SetUp,
    /// Load that is not measured.
    WarmUp,
    /// The measured window.
    Window,
    /// After it: replies are awaited.
    Drain,
}

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
    /// The server refused the client certificate, or requires one and got none.
    TlsClientCertificate,
    /// No TLS handshake came about for another reason, or not in time.
    TlsHandshake,
    /// No socket could be had on this side: descriptors or ports have run out.
    NoSocket,
    /// A request that was due and never sent, since no slot became free.
    Unsent,
    /// A request without a reply when the drain ended.
    InFlight,
    /// A connection on which several times as many requests have timed out as may be in flight:
    /// it was closed, and is reconnected after a pause. The requests are counted as timeouts.
    Unresponsive,
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

impl FirstOffender {
    /// One of a connection as a whole.
    pub fn of_connection(connection: u32, detail: String) -> Self {
        Self { connection, request: None, detail, difference: None }
    }
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

/// Failures of one kind in one phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How they failed.
    pub kind: FailureKind,
    /// When. A failure that ended a request is of the phase in which the request was due:
    /// a request of the window that ends in the drain is one of the window.
    pub phase: Phase,
    /// How often that occurred.
    pub count: u64,
    /// Requests of the measured window that ended thereby. All of these are the requests that
    /// failed.
    pub requests: u64,
    /// The first of them.
    pub first: FirstOffender,
}

/// Failures by kind and phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(into = "Vec<Failures>", from = "Written")]
pub struct Errors {
    kinds: BTreeMap<(FailureKind, Phase), Failures>,
}

impl Errors {
    /// Counts so many failures of one kind, which ended so many requests of the window; `first`
    /// is made only for the first of its kind and phase.
    pub fn count(
        &mut self,
        phase: Phase,
        kind: FailureKind,
        count: u64,
        requests: u64,
        first: impl FnOnce() -> FirstOffender,
    ) {
        if count == 0 {
            return;
        }
        let failures = self.kinds.entry((kind, phase)).or_insert_with(|| Failures {
            kind,
            phase,
            count: 0,
            requests: 0,
            first: first(),
        });
        // A stored list may hold anything.
        failures.count = failures.count.saturating_add(count);
        failures.requests = failures.requests.saturating_add(requests);
    }

    /// One of the failures of a kind in a phase ended a request of the window, and so is one of
    /// the window.
    pub(crate) fn claim(&mut self, kind: FailureKind, phase: Phase) {
        let Some(failures) = self.kinds.get_mut(&(kind, phase)) else { return };
        let first = failures.first.clone();
        failures.count -= 1;
        if failures.count == 0 && phase != Phase::Window {
            self.kinds.remove(&(kind, phase));
        }
        self.count(Phase::Window, kind, 1, 1, || first);
    }

    /// In the order of the kinds, and of the phases in each.
    pub fn iter(&self) -> impl Iterator<Item = &Failures> {
        self.kinds.values()
    }

    /// How often a kind occurred, in all phases.
    pub fn of(&self, kind: FailureKind) -> u64 {
        self.iter()
            .filter(|failures| failures.kind == kind)
            .map(|failures| failures.count)
            .sum()
    }

    /// How often a kind occurred in a phase.
    pub fn within(&self, phase: Phase, kind: FailureKind) -> u64 {
        self.kinds.get(&(kind, phase)).map_or(0, |failures| failures.count)
    }

    /// All failures.
    pub fn total(&self) -> u64 {
        self.iter().fold(0, |sum, failures| failures.count.saturating_add(sum))
    }
}

/// As they were written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<Failures>),
    /// By a version that knew no phases: most are of the window.
    Kinds(BTreeMap<FailureKind, (u64, FirstOffender)>),
}

impl From<Written> for Errors {
    fn from(written: Written) -> Self {
        let list = match written {
            Written::List(list) => list,
            Written::Kinds(kinds) => {
                let phase = Phase::Window;
                let failures = |(kind, (count, first))| Failures {
                    kind,
                    phase,
                    count,
                    requests: 0,
                    first,
                };
                kinds.into_iter().map(failures).collect()
            }
        };
        let mut errors = Self::default();
        for Failures { kind, phase, count, requests, first } in list {
            errors.count(phase, kind, count, requests, || first);
        }
        errors
    }
}

impl From<Errors> for Vec<Failures> {
    fn from(errors: Errors) -> Self {
        errors.kinds.into_values().collect()
    }
}

impl AddAssign<&Self> for Errors {
    fn add_assign(&mut self, other: &Self) {
        for &Failures { kind, phase, count, requests, ref first } in other.iter() {
            self.count(phase, kind, count, requests, || first.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_an_older_version_are_read() {
        let old = r#"{"reset":[3,{"connection":1,"request":null,"detail":"gone","difference":null}]}"#;
        let errors: Errors = serde_json::from_str(old).unwrap();
        assert_eq!(errors.of(FailureKind::Reset), 3);
        let new = serde_json::to_string(&errors).unwrap();
        let again: Errors = serde_json::from_str(&new).unwrap();
        assert_eq!(again.iter().collect::<Vec<_>>(), errors.iter().collect::<Vec<_>>());
    }

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
