//! The extended query protocol of the server's side: [`Extended`]. Parse, Bind, Describe,
//! Execute, Close, Flush, and Sync, which ends a series. After an error all up to the next Sync
//! is skipped.

use super::fields::Fields;
use super::portals::{Answer, Bound, MOST_PREPARED_TEXT, Portals, Prepared};
use super::refusal::Refusal;
use super::statement;
use super::written::{self, ColumnType};
use crate::Replies;

/// Bytes of names that may be kept beside texts.
const NAMES: usize = 16 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Extended {
    prepared: Prepared,
    portals: Portals,
    is_skipping: bool,
    /// Messages answered since the last Sync.
    answered: u64,
}

impl Extended {
    /// Whether a message is skipped, since one before it was refused.
    #[inline]
    pub(super) fn skips(&self, kind: u8) -> bool {
        self.is_skipping && !matches!(kind, b'S' | b'X')
    }

    /// A message was refused.
    pub(super) fn fail(&mut self) {
        self.is_skipping = true;
        self.answered += 1;
    }

    /// A simple query comes: it takes the place of what is without a name.
    pub(super) fn begin_simple(&mut self) {
        self.prepared.remove(b"");
        self.portals.clear();
    }

    /// Answers a message of the extended protocol.
    #[inline]
    pub(super) fn answer(
        &mut self,
        kind: u8,
        body: &[u8],
        max_message: usize,
        replies: &mut Replies,
    ) -> Result<(), Refusal> {
        let fields = Fields(body);
        match kind {
            b'P' => {
                self.parse(fields)?;
                written::bare(b'1', replies);
            }
            b'B' => {
                self.bind(fields, max_message)?;
                written::bare(b'2', replies);
            }
            b'D' => self.describe(fields, replies)?,
            b'E' => self.execute(fields, replies)?,
            b'C' => {
                self.close(fields)?;
                written::bare(b'3', replies);
            }
            // Everything is sent at once, so there is nothing to flush.
            b'H' => {}
            _ => self.sync(replies),
        }
        Ok(())
    }

    fn sync(&mut self, replies: &mut Replies) {
        self.portals.clear();
        self.is_skipping = false;
        written::ready(replies);
        replies.end_messages(std::mem::take(&mut self.answered));
    }

    fn parse(&mut self, mut fields: Fields<'_>) -> Result<(), Refusal> {
        let mut read = || {
            let (name, text) = (fields.string()?, fields.string()?);
            let types = fields.count()?;
            fields.bytes(4 * types)?;
            fields.is_over().then_some((name, text))
        };
        let (name, text) = read().ok_or(Refusal::Layout)?;
        let (statement, rest) = statement::first(text);
        let answer = Answer::of(statement).ok_or(Refusal::Unknown)?;
        if !rest.trim_ascii().is_empty() {
            return Err(Refusal::Several);
        }
        if matches!(&answer, Answer::Text(text) if text.len() > MOST_PREPARED_TEXT) {
            return Err(Refusal::LongLiteral);
        }
        self.prepared.add(name, answer, NAMES).map_err(|_| Refusal::Kept)
    }

    fn bind(&mut self, mut fields: Fields<'_>, max_message: usize) -> Result<(), Refusal> {
        let mut read = || {
            let (name, statement) = (fields.string()?, fields.string()?);
            // A text is the same bytes in either format.
            let formats = fields.count()?;
            fields.bytes(2 * formats)?;
            let (given, mut value) = (fields.count()?, None);
            for number in 0..given {
                let one = fields.value()?;
                value = if number == 0 { one } else { value };
            }
            let formats = fields.count()?;
            let format = Fields(fields.bytes(2 * formats)?).count();
            let bound = Bound { name, statement, value, is_binary: format == Some(1) };
            fields.is_over().then_some((bound, given))
        };
        let (bound, given) = read().ok_or(Refusal::Layout)?;
        if bound.value.is_some_and(|value| value.len() > max_message) {
            return Err(Refusal::TooLong(max_message));
        }
        let answer = self.prepared.find(bound.statement).ok_or(Refusal::NoStatement)?;
        let wanted = answer.parameters();
        if given != usize::from(wanted) {
            return Err(Refusal::Parameters { given, wanted });
        }
        self.portals.bind(bound, max_message + NAMES).map_err(|_| Refusal::Kept)
    }

    fn describe(&mut self, fields: Fields<'_>, replies: &mut Replies) -> Result<(), Refusal> {
        let (statement, is_binary) = match kind_and_name(fields)? {
            (b'S', name) => {
                let answer = self.prepared.find(name).ok_or(Refusal::NoStatement)?;
                written::parameters(answer.parameters(), replies);
                (answer, false)
            }
            (_, name) => {
                let portal = self.portals.find(name).ok_or(Refusal::NoPortal)?;
                let answer = self.prepared.find(&portal.statement);
                (answer.ok_or(Refusal::NoStatement)?, portal.is_binary)
            }
        };
        match statement {
            Answer::Text(_) | Answer::Parameter => {
                written::row_description(ColumnType::Text, is_binary, replies);
            }
            Answer::Integer(_) => {
                written::row_description(ColumnType::Int4, is_binary, replies);
            }
            Answer::Empty | Answer::Confirmed(_) => written::bare(b'n', replies),
        }
        Ok(())
    }

    fn execute(
        &mut self,
        mut fields: Fields<'_>,
        replies: &mut Replies,
    ) -> Result<(), Refusal> {
        // However few rows are wanted: there is one.
        let read = fields.string().zip(fields.number()).filter(|_| fields.is_over());
        let (name, _most_rows) = read.ok_or(Refusal::Layout)?;
        let portal = self.portals.find(name).ok_or(Refusal::NoPortal)?;
        let answer = self.prepared.find(&portal.statement).ok_or(Refusal::NoStatement)?;
        let is_spent = std::mem::replace(&mut portal.is_spent, true);
        match answer {
            Answer::Empty => written::bare(b'I', replies),
            Answer::Confirmed(tag) => written::complete(tag, replies),
            _ if is_spent => written::complete("SELECT 0", replies),
            Answer::Text(text) => written::row(std::iter::once(&text[..]), replies),
            Answer::Integer(number) => {
                written::integer_row(*number, portal.is_binary, replies);
            }
            Answer::Parameter => match portal.value() {
                Some(value) => written::row(std::iter::once(value), replies),
                None => written::null_row(replies),
            },
        }
        self.answered += 1;
        Ok(())
    }

    /// Closing what is not there is no error.
    fn close(&mut self, fields: Fields<'_>) -> Result<(), Refusal> {
        match kind_and_name(fields)? {
            (b'S', name) => self.prepared.remove(name),
            (_, name) => self.portals.remove(name),
        }
        Ok(())
    }
}

/// Whether a statement (`S`) or a portal (`P`) is meant, and its name.
fn kind_and_name(mut fields: Fields<'_>) -> Result<(u8, &[u8]), Refusal> {
    let read = fields.byte().filter(|kind| b"SP".contains(kind)).zip(fields.string());
    read.filter(|_| fields.is_over()).ok_or(Refusal::Layout)
}
