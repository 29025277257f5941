//! What a server says: the messages of its side, appended to [`Replies`].

use std::fmt;

use super::TEXT;
use super::startup::VERSION_3;
use crate::{Replies, decimal};

/// The type `int4`.
const INT4: u32 = 23;

/// The name of a column whose expression has none.
const COLUMN: &[u8] = b"?column?\0";

/// What a server says of itself when a connection is opened.
const SETTINGS: [(&str, &str); 7] = [
    ("server_version", "15.0 (echo)"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "UTC"),
];

/// How grave an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The connection goes on.
    Error,
    /// It ends.
    Fatal,
}

/// What a client must be told is wrong: an SQLSTATE and a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Complaint<T> {
    pub(super) severity: Severity,
    pub(super) sqlstate: &'static str,
    pub(super) text: T,
}

/// The type of a result's only column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Text,
    Int4,
}

impl ColumnType {
    fn oid(self) -> u32 {
        match self {
            Self::Text => TEXT,
            Self::Int4 => INT4,
        }
    }

    fn length(self) -> i16 {
        match self {
            Self::Text => -1,
            Self::Int4 => 4,
        }
    }
}

/// The header of a message with a body of `length` bytes.
fn header(kind: u8, length: usize, replies: &mut Replies) {
    replies.push(&[kind]);
    // A body is what arrived, or short: 4 GiB are never buffered.
    let length = u32::try_from(length + 4).unwrap_or(u32::MAX);
    replies.push(&length.to_be_bytes());
}

/// A message without a body.
pub(super) fn bare(kind: u8, replies: &mut Replies) {
    header(kind, 0, replies);
}

/// Lets a client in that asked for this `minor` version, and for options that are `declined`:
/// version 3.0 is spoken, no password is needed, nothing can be cancelled.
pub(super) fn greeting<'a>(
    minor: u32,
    declined: impl Iterator<Item = &'a [u8]> + Clone,
    replies: &mut Replies,
) {
    let count = declined.clone().count();
    if minor > 0 || count > 0 {
        let length: usize = declined.clone().map(<[u8]>::len).sum();
        header(b'v', 8 + length, replies);
        // PostgreSQL names the whole version, and so does libpq understand it.
        replies.push(&VERSION_3.to_be_bytes());
        replies.push(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        for name in declined {
            replies.push(name);
        }
    }
    header(b'R', 4, replies);
    replies.push(&[0; 4]);
    for (name, value) in SETTINGS {
        header(b'S', name.len() + value.len() + 2, replies);
        replies.push(name.as_bytes());
        replies.push(&[0]);
        replies.push(value.as_bytes());
        replies.push(&[0]);
    }
    header(b'K', 8, replies);
    replies.push(&[0; 8]);
    ready(replies);
}

/// What [types](super::TEXT) the parameters of a statement have.
pub(super) fn parameters(count: u16, replies: &mut Replies) {
    header(b't', 2 + 4 * usize::from(count), replies);
    replies.push(&count.to_be_bytes());
    for _ in 0..count {
        replies.push(&TEXT.to_be_bytes());
    }
}

/// Announces rows of one column.
pub(super) fn row_description(column: ColumnType, is_binary: bool, replies: &mut Replies) {
    header(b'T', 2 + COLUMN.len() + 18, replies);
    replies.push(&1_u16.to_be_bytes());
    replies.push(COLUMN);
    // It is of no table.
    replies.push(&[0; 6]);
    replies.push(&column.oid().to_be_bytes());
    replies.push(&column.length().to_be_bytes());
    replies.push(&(-1_i32).to_be_bytes());
    replies.push(&u16::from(is_binary).to_be_bytes());
}

/// A row of one column, and that it was the only one; `pieces` together are the value.
pub(super) fn row<'a>(pieces: impl Iterator<Item = &'a [u8]> + Clone, replies: &mut Replies) {
    let length: usize = pieces.clone().map(<[u8]>::len).sum();
    header(b'D', 6 + length, replies);
    replies.push(&1_u16.to_be_bytes());
    replies.push(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    replies.end_prefix();
    for piece in pieces {
        replies.push(piece);
    }
    complete("SELECT 1", replies);
}

/// A row with a number, and that it was the only one.
pub(super) fn integer_row(number: i32, is_binary: bool, replies: &mut Replies) {
    if is_binary {
        row(std::iter::once(&number.to_be_bytes()[..]), replies);
    } else {
        let sign = if number < 0 { &b"-"[..] } else { b"" };
        let mut room = decimal::Room::default();
        let digits = decimal::digits(number.unsigned_abs() as usize, &mut room);
        row([sign, digits].into_iter(), replies);
    }
}

/// A row that is NULL, and that it was the only one.
pub(super) fn null_row(replies: &mut Replies) {
    header(b'D', 6, replies);
    replies.push(&1_u16.to_be_bytes());
    replies.push(&u32::MAX.to_be_bytes());
    complete("SELECT 1", replies);
}

/// A command was executed.
pub(super) fn complete(tag: &str, replies: &mut Replies) {
    header(b'C', tag.len() + 1, replies);
    replies.push(tag.as_bytes());
    replies.push(&[0]);
}

/// The next query is awaited, outside a transaction.
pub(super) fn ready(replies: &mut Replies) {
    header(b'Z', 1, replies);
    replies.push(b"I");
}

/// An error.
pub(super) fn error(complaint: Complaint<impl fmt::Display>, replies: &mut Replies) {
    let Complaint { severity, sqlstate, text } = complaint;
    let (severity, text) = (
        match severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        },
        text.to_string(),
    );
    header(b'E', 2 * severity.len() + sqlstate.len() + text.len() + 9, replies);
    for (field, value) in [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', &text)]
    {
        replies.push(&[field]);
        replies.push(value.as_bytes());
        replies.push(&[0]);
    }
    replies.push(&[0]);
}
