//! What requests say and how replies are checked: [`Messages`]. Pure: connection and request
//! number give the text, so nothing is kept to compare a reply with.
//!
//! A generated message begins with a stamp (request number, connection, checksum) in 64
//! printable characters, so that it can be said how a reply is wrong: corrupt, cut short, of
//! another connection, answered twice, or skipped.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) mod as_texts;
mod drawn;
mod file;
mod histogram;
mod size;
mod stamp;

pub use drawn::{DrawnSizes, SizeTable};
pub use file::{InvalidMessages, MessageFile, MessageFormat};
pub use histogram::{Bin, Histogram, InvalidHistogram};
pub use size::{InvalidSize, Size, Spread};
use stamp::{STAMP, scramble, stamp};

/// How thoroughly replies are checked.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Every byte.
    #[default]
    Full,
    /// Only the length.
    Length,
    /// Nothing: any reply will do.
    Off,
}

/// What is wrong with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deviation {
    /// It differs, and is nothing that we ever asked for.
    Corrupt,
    /// It is the beginning of the expected reply.
    Truncated,
    /// It begins with the expected reply and goes on.
    Extended,
    /// It answers a request of another connection.
    Foreign {
        /// The number of that connection.
        connection: u32,
        /// The number of that request on it.
        request: u64,
    },
    /// It answers another request of this connection.
    Elsewhere {
        /// The number of that request.
        request: u64,
    },
}

/// Letters and digits that the rest of a message is made of.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The texts of all requests of a run.
#[derive(Debug)]
pub struct Messages {
    verify: Verify,
    /// The size of the largest.
    largest: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Of these sizes, the largest of which is `template.len()`; the template is what follows the
    /// stamp.
    Generated { sizes: Sizes, template: Vec<u8> },
    /// These, in turn.
    Given(Vec<Vec<u8>>),
}

/// How large generated messages are.
#[derive(Debug)]
enum Sizes {
    One(usize),
    Even { min: usize, max: usize, seed: u64 },
    Drawn(SizeTable),
}

impl Sizes {
    #[inline]
    fn of(&self, connection: u32, request: u64) -> usize {
        match self {
            Self::One(size) => *size,
            Self::Even { min, max, seed } => {
                let random = scramble(seed ^ u64::from(connection) << 40 ^ request);
                min + (random % (max - min + 1) as u64) as usize
            }
            Self::Drawn(table) => table.size(connection, request),
        }
    }
}

impl Messages {
    /// Generated messages of `min` to `max` bytes.
    ///
    /// # Panics
    /// If `min` is above `max`.
    pub fn generated(min: usize, max: usize, seed: u64, verify: Verify) -> Self {
        assert!(min <= max, "a plan has sizes in order");
        let sizes = if min == max { Sizes::One(max) } else { Sizes::Even { min, max, seed } };
        Self::of_sizes(sizes, max, verify)
    }

    /// Generated messages of sizes that are drawn from a table, none above `max` bytes.
    pub(crate) fn drawn(table: SizeTable, max: usize, verify: Verify) -> Self {
        Self::of_sizes(Sizes::Drawn(table), max, verify)
    }

    fn of_sizes(sizes: Sizes, max: usize, verify: Verify) -> Self {
        let template = (0..max).map(|i| ALPHABET[(i * 7 + i / 64) % 64]).collect();
        Self { verify, largest: max, source: Source::Generated { sizes, template } }
    }

    /// The given messages, again and again.
    ///
    /// # Panics
    /// If there are none.
    pub fn given(texts: Vec<Vec<u8>>, verify: Verify) -> Self {
        assert!(!texts.is_empty(), "a plan has at least one message");
        let largest = texts.iter().map(Vec::len).max().unwrap_or(0);
        Self { verify, largest, source: Source::Given(texts) }
    }

    /// The size of the largest message in bytes.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    /// Replaces what `text` holds with the message of request `request` of `connection`.
    #[inline]
    pub fn write(&self, connection: u32, request: u64, text: &mut Vec<u8>) {
        text.clear();
        self.append(connection, request, text);
    }

    /// Appends the message of request `request` of `connection` to `text`.
    #[inline]
    pub fn append(&self, connection: u32, request: u64, text: &mut Vec<u8>) {
        match &self.source {
            Source::Generated { sizes, template } => {
                let size = sizes.of(connection, request);
                let begin = text.len();
                // In one piece, and then the stamp over it.
                text.extend_from_slice(&template[..size]);
                let stamp = stamp(connection, request);
                let text = &mut text[begin..];
                match text.first_chunk_mut() {
                    Some(begin) => *begin = stamp,
                    None => text.copy_from_slice(&stamp[..size]),
                }
            }
            Source::Given(texts) => text.extend_from_slice(given(texts, request)),
        }
    }

    /// Appends the messages of these requests of `connection`, if all have one size, and says
    /// that size; else appends nothing.
    #[inline]
    pub fn append_run(
        &self,
        connection: u32,
        requests: Range<u64>,
        text: &mut Vec<u8>,
    ) -> Option<usize> {
        let Source::Generated { sizes: Sizes::One(size), template } = &self.source else {
            return None;
        };
        let size = *size;
        if size < STAMP || requests.is_empty() {
            return None;
        }
        // In few large pieces, and then the stamps over them.
        let begin = text.len();
        let end = begin + size * (requests.end - requests.start) as usize;
        text.reserve(end - begin);
        text.extend_from_slice(template);
        while text.len() < end {
            let more = (end - text.len()).min(text.len() - begin);
            text.extend_from_within(begin..begin + more);
        }
        for (message, request) in text[begin..].chunks_exact_mut(size).zip(requests) {
            if let Some(begin) = message.first_chunk_mut() {
                *begin = stamp(connection, request);
            }
        }
        Some(size)
    }

    /// Whether `body` is the right echo of request `request` of `connection`.
    #[inline]
    pub fn check(&self, connection: u32, request: u64, body: &[u8]) -> Result<(), Deviation> {
        let right = match (&self.source, self.verify) {
            (_, Verify::Off) => true,
            (Source::Generated { sizes, template }, verify) => {
                let size = sizes.of(connection, request);
                body.len() == size
                    && (verify == Verify::Length || {
                        let stamp = stamp(connection, request);
                        match body.split_first_chunk() {
                            Some((begin, rest)) => {
                                *begin == stamp && equal(rest, &template[STAMP..size])
                            }
                            None => *body == stamp[..size],
                        }
                    })
            }
            (Source::Given(texts), Verify::Length) => body.len() == given(texts, request).len(),
            (Source::Given(texts), Verify::Full) => body == given(texts, request),
        };
        if right { Ok(()) } else { Err(self.diagnose(connection, request, body)) }
    }

    /// Whether `body` may be an answer to request `request` of `connection` at all: it ends
    /// with the message, or is as long as the message with a prefix.
    pub(crate) fn resembles(&self, connection: u32, request: u64, body: &[u8]) -> bool {
        const LONGEST_PREFIX: usize = 16;
        let mut expected = Vec::new();
        self.write(connection, request, &mut expected);
        let extra = body.len().checked_sub(expected.len());
        body.ends_with(&expected)
            || extra.is_some_and(|extra| (1..=LONGEST_PREFIX).contains(&extra))
    }

    #[cold]
    fn diagnose(&self, connection: u32, request: u64, body: &[u8]) -> Deviation {
        let mut expected = Vec::new();
        self.write(connection, request, &mut expected);
        if body.len() < expected.len() && expected.starts_with(body) {
            return Deviation::Truncated;
        }
        if body.len() > expected.len() && body.starts_with(&expected) {
            return Deviation::Extended;
        }
        let Some((other, number)) = self.read_stamp(body) else { return Deviation::Corrupt };
        self.write(other, number, &mut expected);
        if body != expected {
            Deviation::Corrupt
        } else if other == connection {
            Deviation::Elsewhere { request: number }
        } else {
            Deviation::Foreign { connection: other, request: number }
        }
    }

    /// Connection and request number of a stamp whose checksum holds.
    fn read_stamp(&self, body: &[u8]) -> Option<(u32, u64)> {
        let Source::Generated { .. } = self.source else { return None };
        stamp::read(body)
    }
}

fn given(texts: &[Vec<u8>], request: u64) -> &[u8] {
    &texts[(request % texts.len() as u64) as usize]
}

/// Whether two texts of one length are the same. Most are short, where a call of `memcmp`
/// takes longer than to compare.
#[inline]
fn equal(one: &[u8], other: &[u8]) -> bool {
    const WORD: usize = size_of::<u128>();
    let word = |text: &[u8; WORD]| u128::from_ne_bytes(*text);
    let (Some(last), Some(other_last)) = (one.last_chunk(), other.last_chunk()) else {
        return one == other;
    };
    if one.len() > 8 * WORD {
        return one == other;
    }
    let words = one.as_chunks().0.iter().zip(other.as_chunks().0);
    // The last word overlaps the one before it.
    let mut different = word(last) ^ word(other_last);
    for (one, other) in words {
        different |= word(one) ^ word(other);
    }
    different == 0
}

#[cfg(test)]
mod tests;
