//! The reply to a query: [`ReplyProgress`] takes its messages, up to the one that says that the
//! server is ready again.

use std::ops::Range;

use super::HEADER;
use super::fields::Fields;
use crate::{Malformed, Outcome};

/// Most bytes of a message that is no row: an error with its text, a setting.
pub(super) const MOST_MESSAGE: usize = 64 * 1024;

/// Most bytes of a reply beside its row.
const MOST_AROUND: usize = 256 * 1024;

/// The types of messages in a reply: of the extended protocol, rows, completion, errors, and
/// those that may come at any time.
const KINDS: &[u8] = b"12DCTntsIZENSA";

/// One message at the start of bytes: its type and body.
pub(super) fn message<'a>(
    bytes: &'a [u8],
    kinds: &[u8],
    limit: impl FnOnce(u8) -> usize,
) -> Result<Option<(u8, &'a [u8])>, Malformed> {
    let mut fields = Fields(bytes);
    let Some(kind) = fields.byte() else { return Ok(None) };
    if !kinds.contains(&kind) {
        return Err(Malformed::NotPostgres);
    }
    let Some(length) = fields.number() else { return Ok(None) };
    let length = length.checked_sub(4).ok_or(Malformed::NotPostgres)? as usize;
    let limit = limit(kind);
    if length > limit {
        return Err(Malformed::TooLong(limit));
    }
    Ok(fields.bytes(length).map(|body| (kind, body)))
}

/// How a reply begins that is not complete. Offsets count from its beginning.
#[derive(Debug)]
pub(super) struct ReplyProgress {
    /// Most bytes of a row's text.
    limit: usize,
    /// Start of the next message.
    position: usize,
    rows: u32,
    /// The text of the first row, if it has one column and is not NULL.
    text: Option<Range<usize>>,
    is_error: bool,
}

/// What a step has come to: bytes that are used up, and the reply that they end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) length: usize,
    /// Its outcome, the range of its body (of an error: none), and whether nothing follows.
    pub(super) reply: Option<(Outcome, Range<usize>, bool)>,
}

impl ReplyProgress {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, position: 0, rows: 0, text: None, is_error: false }
    }

    /// Takes the first reply in `bytes`, if it is complete, or a message before it that may come
    /// at any time. The text of an error is put into `told`.
    #[inline]
    pub(super) fn next(
        &mut self,
        bytes: &[u8],
        told: &mut Vec<u8>,
    ) -> Result<Option<Taken>, Malformed> {
        loop {
            let limit = |kind| if kind == b'D' { self.limit + 6 } else { MOST_MESSAGE };
            let rest = bytes.get(self.position..).unwrap_or_default();
            let found = message(rest, KINDS, limit).map_err(|fault| match fault {
                Malformed::TooLong(limit) if limit == self.limit + 6 => {
                    Malformed::TooLong(self.limit)
                }
                other => other,
            })?;
            let Some((kind, body)) = found else { return Ok(None) };
            let length = HEADER + body.len();
            let start = self.position + HEADER;
            self.position += length;
            if self.position > self.limit.saturating_add(MOST_AROUND) {
                return Err(Malformed::TooLong(self.limit + MOST_AROUND));
            }
            match kind {
                b'N' | b'S' | b'A' if self.position == length => {
                    self.position = 0;
                    return Ok(Some(Taken { length, reply: None }));
                }
                b'D' => self.row(body, start)?,
                b'E' => {
                    let is_fatal = read_error(body, told)?;
                    self.is_error = true;
                    if is_fatal {
                        return Ok(Some(self.end(true)));
                    }
                }
                b'Z' => return Ok(Some(self.end(false))),
                _ => {}
            }
        }
    }

    fn row(&mut self, body: &[u8], start: usize) -> Result<(), Malformed> {
        let mut fields = Fields(body);
        let columns = fields.count().ok_or(Malformed::NotPostgres)?;
        let value = fields.value().filter(|_| columns == 1).unwrap_or_default();
        self.rows = self.rows.saturating_add(1);
        self.text = value.filter(|_| fields.is_over() && self.rows == 1).map(|value| {
            let from = start + body.len() - value.len();
            from..from + value.len()
        });
        Ok(())
    }

    /// The reply is complete.
    fn end(&mut self, is_over: bool) -> Taken {
        let length = self.position;
        let (outcome, body) = match self.text.take() {
            _ if self.is_error => (Outcome::Error, 0..0),
            Some(text) => (Outcome::Echo, text),
            None => (Outcome::Unexpected, 0..length),
        };
        *self = Self::new(self.limit);
        Taken { length, reply: Some((outcome, body, is_over)) }
    }
}

/// Puts SQLSTATE and text of an error into `told`; whether the connection ends with it.
pub(super) fn read_error(body: &[u8], told: &mut Vec<u8>) -> Result<bool, Malformed> {
    let mut fields = Fields(body);
    let (mut severity, mut sqlstate, mut text) = (&b""[..], &b"?????"[..], &b""[..]);
    loop {
        let field = fields.byte().ok_or(Malformed::NotPostgres)?;
        if field == 0 {
            break;
        }
        let value = fields.string().ok_or(Malformed::NotPostgres)?;
        match field {
            b'S' if severity.is_empty() => severity = value,
            // Never translated.
            b'V' => severity = value,
            b'C' => sqlstate = value,
            b'M' => text = value,
            _ => {}
        }
    }
    told.clear();
    told.extend_from_slice(sqlstate);
    told.extend_from_slice(b": ");
    told.extend_from_slice(text);
    Ok(matches!(severity, b"FATAL" | b"PANIC"))
}
