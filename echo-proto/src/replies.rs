//! A responder's output: [`Replies`], a growing buffer that also records where it is split into
//! separate writes. It writes nothing itself.

use std::fmt;
use std::io::Write as _;

use crate::decimal;

/// How replies are split into writes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum WriteMode {
    /// One write for all replies to a read.
    #[default]
    Whole,
    /// Prefix and text of each reply in two writes, as a naive server does.
    Split,
    /// One write per reply, a flush per line.
    PerMessage,
}

/// Reply bytes, with the boundaries of writes.
///
/// Reused from read to read: [`clear`](Self::clear) keeps the capacity.
#[derive(Debug)]
pub struct Replies {
    mode: WriteMode,
    bytes: Vec<u8>,
    /// Ends of all writes but the last; always empty in [`WriteMode::Whole`].
    cuts: Vec<usize>,
    messages: u64,
    errors: u64,
    /// Buffer of [`transform`](Self::transform).
    spare: Vec<u8>,
}

impl Replies {
    /// An empty buffer.
    pub fn new(mode: WriteMode) -> Self {
        Self {
            mode,
            bytes: Vec::new(),
            cuts: Vec::new(),
            messages: 0,
            errors: 0,
            spare: Vec::new(),
        }
    }

    /// Appends bytes of a reply.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a number in decimal.
    #[inline]
    pub(crate) fn push_decimal(&mut self, number: usize) {
        decimal::append(number, &mut self.bytes);
    }

    /// Appends a value formatted with `Display`.
    pub(crate) fn push_display(&mut self, value: impl fmt::Display) {
        // Writing to memory can't fail; a failing `Display` leaves its partial output.
        let _ = write!(self.bytes, "{value}");
    }

    /// Appends `length` bytes to be overwritten.
    pub(crate) fn push_room(&mut self, length: usize) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        &mut self.bytes[start..]
    }

    /// Marks the end of a reply's prefix or header.
    #[inline]
    pub(crate) fn end_prefix(&mut self) {
        if self.mode == WriteMode::Split {
            self.cut();
        }
    }

    /// Marks the end of a reply and counts it.
    #[inline]
    pub fn end_message(&mut self) {
        self.end_messages(1);
    }

    /// The same for several replies that end here together, however many: one write ends.
    #[inline]
    pub(crate) fn end_messages(&mut self, count: u64) {
        self.messages += count;
        if count > 0 && self.mode != WriteMode::Whole {
            self.cut();
        }
    }

    /// Replaces the bytes of each write by what `each` makes of them, for example encryption.
    /// The number of writes and the counts stay.
    pub fn transform(&mut self, mut each: impl FnMut(&[u8], &mut Vec<u8>)) {
        self.spare.clear();
        let mut start = 0;
        for cut in &mut self.cuts {
            let end = *cut;
            each(&self.bytes[start..end], &mut self.spare);
            *cut = self.spare.len();
            start = end;
        }
        each(&self.bytes[start..], &mut self.spare);
        std::mem::swap(&mut self.bytes, &mut self.spare);
    }

    /// Lets `write` append to the last write.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
    }

    /// Counts a message that was refused or truncated.
    pub fn count_error(&mut self) {
        self.errors += 1;
    }

    fn cut(&mut self) {
        self.cuts.push(self.bytes.len());
    }

    /// All bytes, ignoring write boundaries.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The writes in order, none of them empty.
    pub fn writes(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        let mut start = 0;
        ends.map(move |end| {
            let write = &self.bytes[start..end];
            start = end;
            write
        })
        .filter(|write| !write.is_empty())
    }

    /// Messages answered since the last [`clear`](Self::clear).
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages refused or truncated since the last [`clear`](Self::clear).
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Clears everything but the capacity.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.messages = 0;
        self.errors = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes_of_two_lines(mode: WriteMode) -> Vec<Vec<u8>> {
        let mut replies = Replies::new(mode);
        for text in [b"a", b"b"] {
            replies.push(b"ECHO: ");
            replies.end_prefix();
            replies.push(text);
            replies.push(b"\n");
            replies.end_message();
        }
        assert_eq!(replies.messages(), 2);
        replies.writes().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn modes_differ_only_in_where_writes_end() {
        assert_eq!(writes_of_two_lines(WriteMode::Whole), [b"ECHO: a\nECHO: b\n".to_vec()]);
        assert_eq!(
            writes_of_two_lines(WriteMode::PerMessage),
            [b"ECHO: a\n".to_vec(), b"ECHO: b\n".to_vec()]
        );
        assert_eq!(
            writes_of_two_lines(WriteMode::Split),
            [b"ECHO: ".to_vec(), b"a\n".to_vec(), b"ECHO: ".to_vec(), b"b\n".to_vec()]
        );
    }

    #[test]
    fn a_transform_changes_bytes_and_not_where_writes_end() {
        let mut replies = Replies::new(WriteMode::PerMessage);
        for text in [b"a", b"b"] {
            replies.push(text);
            replies.end_message();
        }
        for doubled in [&["aa", "bb"], &["aaaa", "bbbb"]] {
            replies.transform(|write, output| output.extend([write, write].concat()));
            let writes: Vec<_> = replies.writes().collect();
            assert_eq!(writes, doubled.map(str::as_bytes));
        }
        replies.append(|output| output.push(b'!'));
        assert_eq!(replies.writes().last(), Some(&b"!"[..]));
        assert_eq!(replies.messages(), 2);
    }

    #[test]
    fn messages_that_end_together_are_counted_in_one_step() {
        for mode in [WriteMode::Whole, WriteMode::Split, WriteMode::PerMessage] {
            let mut replies = Replies::new(mode);
            replies.end_messages(0);
            replies.push(b"ab");
            replies.end_messages(1 << 40);
            assert_eq!(replies.messages(), 1 << 40);
            assert_eq!(replies.writes().collect::<Vec<_>>(), [b"ab"]);
            assert!(replies.cuts.len() <= 1);
        }
    }

    #[test]
    fn clear_forgets_bytes_cuts_and_counts() {
        let mut replies = Replies::new(WriteMode::PerMessage);
        replies.push(b"x");
        replies.end_message();
        replies.count_error();
        replies.clear();
        assert!(replies.is_empty());
        assert_eq!((replies.messages(), replies.errors()), (0, 0));
        assert_eq!(replies.writes().count(), 0);
    }
}
