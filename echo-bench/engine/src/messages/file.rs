//! Messages from files: [`MessageFormat`] says where each ends, [`MessageFile`] what a plan keeps
//! of where they come from. Nothing here opens a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fingerprint;

/// Most messages of a file; all of them stand in the report.
const MOST: usize = 1_000_000;

/// Bytes of a length prefix.
const PREFIX: usize = size_of::<u32>();

/// Where a message of a file ends.
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
pub enum MessageFormat {
    /// Each line is a message, without its LF or CRLF.
    #[default]
    Lines,
    /// Each message follows its length, a big-endian u32, as in the frame protocol.
    LengthPrefixed,
    /// The file is one message; of a directory, each file in it, in the order of their names.
    Whole,
}

/// Where given messages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageFile {
    /// The file as typed; `-` is stdin.
    pub name: String,
    /// Where a message ends in it.
    pub format: MessageFormat,
    /// How many messages it holds.
    pub count: u64,
    /// Fingerprint of the messages, whatever the format.
    pub digest: String,
}

/// Bytes that are no messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessages {
    /// More than a report has room for.
    #[error("holds {0} messages (at most {MOST})")]
    TooMany(usize),
    /// A message that ends after the file.
    #[error(
        "message {number} at byte offset {at} is cut short: its length prefix says {length} bytes, \
         and {left} follow (is it --message-format length-prefixed, a big-endian u32 before each?)"
    )]
    CutShort {
        /// Which, from 1.
        number: usize,
        /// Where its prefix begins, from 0.
        at: usize,
        /// What it says.
        length: u32,
        /// Bytes after the prefix.
        left: usize,
    },
    /// A prefix that ends after the file.
    #[error(
        "message {number} at byte offset {at} is cut short: a length prefix has 4 bytes, and {left} \
         follow"
    )]
    NoPrefix {
        /// Which, from 1.
        number: usize,
        /// Where it begins, from 0.
        at: usize,
        /// Bytes that there are.
        left: usize,
    },
}

impl MessageFormat {
    /// The messages in the `contents` of a file, or of the files of a directory.
    ///
    /// # Errors
    /// Which message is cut short, or that there are too many.
    pub fn messages(self, contents: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, InvalidMessages> {
        // Counted before they are copied: a message may have no byte, and takes memory.
        let count = match self {
            Self::Whole => contents.len(),
            _ => contents.iter().try_fold(0, |count, bytes| {
                Ok(count
                    + self
                        .pieces(bytes)
                        .try_fold(0, |count, piece| piece.map(|_| count + 1))?)
            })?,
        };
        if count > MOST {
            return Err(InvalidMessages::TooMany(count));
        }
        if self == Self::Whole {
            return Ok(contents);
        }
        let pieces = contents.iter().flat_map(|bytes| self.pieces(bytes));
        pieces.map(|piece| piece.map(<[u8]>::to_vec)).collect()
    }

    fn pieces(
        self,
        bytes: &[u8],
    ) -> Box<dyn Iterator<Item = Result<&[u8], InvalidMessages>> + '_> {
        match self {
            Self::Lines => Box::new(lines(bytes).map(Ok)),
            Self::LengthPrefixed => Box::new(Records { bytes, at: 0, number: 0 }),
            Self::Whole => Box::new(std::iter::once(Ok(bytes))),
        }
    }
}

impl MessageFile {
    /// Where these messages come from.
    pub fn of(name: String, format: MessageFormat, messages: &[Vec<u8>]) -> Self {
        let framed = messages.iter().flat_map(|message| {
            let length = (message.len() as u64).to_le_bytes();
            length.into_iter().chain(message.iter().copied())
        });
        let digest = fingerprint::digest(framed);
        Self { name, format, count: messages.len() as u64, digest }
    }
}

/// Lines without their LF or CRLF; a CR at the end of the file is a part of its line.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| match line.strip_suffix(b"\n") {
        Some(text) => text.strip_suffix(b"\r").unwrap_or(text),
        None => line,
    })
}

/// Messages that follow their lengths.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], InvalidMessages>;

    fn next(&mut self) -> Option<Self::Item> {
        let (bytes, at) = (self.bytes, self.at);
        if bytes.is_empty() {
            return None;
        }
        self.number += 1;
        let number = self.number;
        // After an error there is nothing more.
        self.bytes = &[];
        let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
            return Some(Err(InvalidMessages::NoPrefix { number, at, left: bytes.len() }));
        };
        let (length, left) = (u32::from_be_bytes(*prefix), rest.len());
        let Some((message, rest)) = rest.split_at_checked(length as usize) else {
            return Some(Err(InvalidMessages::CutShort { number, at, length, left }));
        };
        (self.bytes, self.at) = (rest, at + PREFIX + message.len());
        Some(Ok(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: MessageFormat, bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidMessages> {
        format.messages(vec![bytes.to_vec()])
    }

    #[test]
    fn lines_are_those_that_text_has() {
        for text in ["", "a", "a\n", "a\r\nb\n\nc\r", "\n\n", "\r\n"] {
            let lines: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            assert_eq!(read(MessageFormat::Lines, text.as_bytes()), Ok(lines), "{text:?}");
        }
        assert_eq!(read(MessageFormat::Lines, b"\xff\n\0").unwrap(), [b"\xff", b"\0"]);
    }

    #[test]
    fn a_record_that_is_cut_short_is_refused_with_its_place() {
        let records = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x05abcde";
        let read = |bytes| read(MessageFormat::LengthPrefixed, bytes);
        assert_eq!(read(records).unwrap(), [&b"ab"[..], b"", b"abcde"]);
        assert_eq!(read(b"").unwrap(), Vec::<Vec<u8>>::new());
        let told = read(&records[..17]).unwrap_err().to_string();
        assert!(told.contains("message 3 at byte offset 10 is cut short"), "{told}");
        assert!(told.contains("says 5 bytes, and 3 follow"), "{told}");
        let told = read(&records[..8]).unwrap_err().to_string();
        assert!(told.contains("message 2 at byte offset 6"), "{told}");
        assert!(told.contains("has 4 bytes, and 2 follow"), "{told}");
        // A text that was taken for records.
        let told = read(b"hello there").unwrap_err().to_string();
        assert!(told.contains("message 1 at byte offset 0"), "{told}");
    }

    #[test]
    fn more_than_a_report_holds_are_refused_before_they_are_kept() {
        let empty = vec![0; PREFIX * (MOST + 1)];
        let told = read(MessageFormat::LengthPrefixed, &empty);
        assert_eq!(told, Err(InvalidMessages::TooMany(MOST + 1)));
    }

    #[test]
    fn files_are_the_same_if_their_messages_are() {
        let of = |format: MessageFormat, contents: &[&[u8]]| {
            let contents = contents.iter().map(|bytes| bytes.to_vec()).collect();
            MessageFile::of("f".into(), format, &format.messages(contents).unwrap()).digest
        };
        let lines = of(MessageFormat::Lines, &[b"ab\nc\n"]);
        assert_eq!(of(MessageFormat::LengthPrefixed, &[b"\0\0\0\x02ab\0\0\0\x01c"]), lines);
        assert_eq!(of(MessageFormat::Whole, &[b"ab", b"c"]), lines);
        assert_ne!(of(MessageFormat::Whole, &[b"a", b"bc"]), lines);
    }

    proptest! {
        #[test]
        fn what_is_framed_is_read_back(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            cut in 0usize..900,
        ) {
            let mut framed = Vec::new();
            for message in &messages {
                framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
                framed.extend_from_slice(message);
            }
            prop_assert_eq!(&read(MessageFormat::LengthPrefixed, &framed).unwrap(), &messages);
            if let Ok(some) = read(MessageFormat::LengthPrefixed, &framed[..cut.min(framed.len())]) {
                prop_assert!(messages.starts_with(&some));
            }
        }
    }
}
