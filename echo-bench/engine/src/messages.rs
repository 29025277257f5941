//! What requests say and how replies are checked: [`Messages`]. Pure: connection and request
//! number give the text, so nothing is kept to compare a reply with.
//!
//! A generated message begins with a stamp (request number, connection, checksum) in 64
//! printable characters, so that it can be said how a reply is wrong: corrupt, cut short, of
//! another connection, answered twice, or skipped.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod stamp;

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
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Sizes from `min` to `template.len()` bytes; the template is what follows the stamp.
    Generated { min: usize, template: Vec<u8>, seed: u64 },
    /// These, in turn.
    Given(Vec<Vec<u8>>),
}

impl Messages {
    /// Generated messages of `min` to `max` bytes.
    ///
    /// # Panics
    /// If `min` is above `max`.
    pub fn generated(min: usize, max: usize, seed: u64, verify: Verify) -> Self {
        assert!(min <= max, "a plan has sizes in order");
        let template = (0..max).map(|i| ALPHABET[(i * 7 + i / 64) % 64]).collect();
        Self { verify, source: Source::Generated { min, template, seed } }
    }

    /// The given messages, again and again.
    ///
    /// # Panics
    /// If there are none.
    pub fn given(texts: Vec<Vec<u8>>, verify: Verify) -> Self {
        assert!(!texts.is_empty(), "a plan has at least one message");
        Self { verify, source: Source::Given(texts) }
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
            Source::Generated { min, template, seed } => {
                let size = length_of(*min, template.len(), *seed, connection, request);
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
        let Source::Generated { min, template, .. } = &self.source else { return None };
        let size = template.len();
        if *min != size || size < STAMP || requests.is_empty() {
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
            (Source::Generated { min, template, seed }, verify) => {
                let size = length_of(*min, template.len(), *seed, connection, request);
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

#[inline]
fn length_of(min: usize, max: usize, seed: u64, connection: u32, request: u64) -> usize {
    if min == max {
        return max;
    }
    let random = scramble(seed ^ u64::from(connection) << 40 ^ request);
    min + (random % (max - min + 1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(messages: &Messages, connection: u32, request: u64) -> Vec<u8> {
        let mut text = Vec::new();
        messages.write(connection, request, &mut text);
        text
    }

    #[test]
    fn each_deviation_is_told_apart() {
        let messages = Messages::generated(64, 64, 0, Verify::Full);
        let right = text(&messages, 3, 70);
        assert_eq!(messages.check(3, 70, &right), Ok(()));
        assert_eq!(messages.check(3, 70, &right[..20]), Err(Deviation::Truncated));
        assert_eq!(messages.check(3, 70, b""), Err(Deviation::Truncated));
        let longer = [&right[..], b"x"].concat();
        assert_eq!(messages.check(3, 70, &longer), Err(Deviation::Extended));
        let foreign = text(&messages, 4, 70);
        let of_other = Err(Deviation::Foreign { connection: 4, request: 70 });
        assert_eq!(messages.check(3, 70, &foreign), of_other);
        let next = text(&messages, 3, 71);
        assert_eq!(messages.check(3, 70, &next), Err(Deviation::Elsewhere { request: 71 }));
    }

    proptest! {
        #[test]
        fn a_run_of_messages_is_each_of_them_in_turn(
            (size, first, count) in (0usize..80, 0u64..100_000, 0u64..70),
        ) {
            let messages = Messages::generated(size, size, 0, Verify::Full);
            let (mut run, mut each) = (b"before".to_vec(), b"before".to_vec());
            let requests = first..first + count;
            let found = messages.append_run(9, requests.clone(), &mut run);
            prop_assert_eq!(found.is_some(), size >= STAMP && count > 0);
            if found.is_some() {
                requests.for_each(|request| messages.append(9, request, &mut each));
            }
            prop_assert_eq!(run, each);
        }
    }

    #[test]
    fn one_wrong_byte_anywhere_is_corrupt() {
        let messages = Messages::generated(40, 40, 0, Verify::Full);
        for place in 0..40 {
            let mut wrong = text(&messages, 1, 5);
            wrong[place] = if wrong[place] == b'B' { b'C' } else { b'B' };
            assert_eq!(messages.check(1, 5, &wrong), Err(Deviation::Corrupt), "byte {place}");
        }
    }

    #[test]
    fn an_answer_without_or_with_a_wrong_prefix_is_told_from_chatter() {
        let messages = Messages::generated(64, 64, 0, Verify::Full);
        let right = text(&messages, 1, 5);
        assert!(messages.resembles(1, 5, &right));
        assert!(messages.resembles(1, 5, &[b"ECXO: ", &right[..]].concat()));
        assert!(!messages.resembles(1, 5, b"hello there"));
    }

    #[test]
    fn given_texts_take_turns() {
        let messages = Messages::given(vec![b"a".to_vec(), b"bc".to_vec()], Verify::Full);
        assert_eq!(text(&messages, 0, 3), b"bc");
        assert_eq!(messages.check(0, 2, b"a"), Ok(()));
        assert_eq!(messages.check(0, 2, b"b"), Err(Deviation::Corrupt));
    }

    #[test]
    fn weaker_checks_see_less() {
        let length = Messages::generated(4, 4, 0, Verify::Length);
        assert_eq!(length.check(0, 0, b"????"), Ok(()));
        assert!(length.check(0, 0, b"???").is_err());
        let off = Messages::generated(4, 4, 0, Verify::Off);
        assert_eq!(off.check(0, 0, b""), Ok(()));
    }

    proptest! {
        #[test]
        fn texts_are_equal_as_slices_are(
            text in prop::collection::vec(any::<u8>(), 0..300), place: prop::sample::Index, flip: u8,
        ) {
            let mut other = text.clone();
            prop_assert!(equal(&text, &other));
            if !text.is_empty() && flip > 0 {
                other[place.index(text.len())] ^= flip;
                prop_assert!(!equal(&text, &other));
            }
        }

        #[test]
        fn what_is_written_is_accepted(
            min in 1usize..40, more in 0usize..40, seed: u64, connection in 0u32..1 << 24, request in 0u64..1 << 36,
        ) {
            let messages = Messages::generated(min, min + more, seed, Verify::Full);
            let text = text(&messages, connection, request);
            prop_assert!((min..=min + more).contains(&text.len()));
            prop_assert_eq!(messages.check(connection, request, &text), Ok(()));
            prop_assert!(!text.contains(&b'\n'));
        }
    }
}
