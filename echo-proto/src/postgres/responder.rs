//! The server's side: [`PostgresResponder`]. Lets every user in, answers the
//! [statements](super::statement) that need no database, and gives any other an error, after
//! which the connection goes on.

use super::HEADER;
use super::extended::Extended;
use super::fields::Fields;
use super::refusal::Refusal;
use super::startup::{self, Packet};
use super::statement::{self, Statement, unquoted};
use super::written::{self, ColumnType, Severity};
use crate::carry_over::{self, CarryOver};
use crate::{Flow, Replies, Respond, WriteMode};

/// Bytes of a message beside its text: names, and the query around a literal.
const AROUND: usize = 256;

/// The types of messages that a client may send once it is let in: queries, the extended
/// protocol, copying (ignored, as PostgreSQL does when none is under way), and the end.
const KINDS: &[u8] = b"QPBDECSHFdcfX";

/// The server's side of the PostgreSQL protocol.
#[derive(Debug)]
pub struct PostgresResponder {
    /// The incomplete message.
    partial: CarryOver,
    talk: Talk,
    finished: bool,
}

/// What there is to know of a connection to understand its next message.
#[derive(Debug)]
struct Talk {
    /// Most bytes of a text.
    max_message: usize,
    phase: Phase,
    extended: Extended,
}

/// How far the start-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its packets are expected; each kind of encryption may be asked for once.
    Startup { asked_ssl: bool, asked_gss: bool },
    /// Messages are expected.
    Open,
}

/// Whether the client has ended the connection.
type Ended = bool;

/// The reply to a connection over the limit.
pub(crate) fn server_full() -> Vec<u8> {
    let mut replies = Replies::new(WriteMode::Whole);
    Refusal::Full.tell(&mut replies);
    replies.bytes().to_vec()
}

impl PostgresResponder {
    /// Accepts texts of at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let talk = Talk {
            max_message: carry_over::possible(max_message),
            phase: Phase::Startup { asked_ssl: false, asked_gss: false },
            extended: Extended::default(),
        };
        Self { partial: CarryOver::default(), talk, finished: false }
    }
}

impl Talk {
    /// Answers the message at the start of `bytes`, if it is complete: its length, and whether
    /// it was the last.
    #[inline]
    fn take_first(
        &mut self,
        bytes: &[u8],
        replies: &mut Replies,
    ) -> Result<Option<(usize, Ended)>, Refusal> {
        if self.phase != Phase::Open {
            return self.start(bytes, replies);
        }
        let mut fields = Fields(bytes);
        let Some(kind) = fields.byte() else { return Ok(None) };
        if !KINDS.contains(&kind) {
            return Err(Refusal::Kind(kind));
        }
        let Some(length) = fields.number() else { return Ok(None) };
        let length = length.checked_sub(4).ok_or(Refusal::Length)? as usize;
        // A literal whose quotes are doubled has twice its text's bytes.
        if length > 2 * self.max_message + AROUND {
            return Err(Refusal::TooLong(self.max_message));
        }
        let Some(body) = fields.bytes(length) else { return Ok(None) };
        self.answer(kind, body, replies)?;
        Ok(Some((HEADER + length, kind == b'X')))
    }

    /// Answers a packet of the start-up.
    #[cold]
    fn start(
        &mut self,
        bytes: &[u8],
        replies: &mut Replies,
    ) -> Result<Option<(usize, Ended)>, Refusal> {
        let Some((packet, length)) = startup::read(bytes)? else { return Ok(None) };
        let Phase::Startup { asked_ssl, asked_gss } = &mut self.phase else { return Ok(None) };
        match packet {
            Packet::Ssl if *asked_ssl => return Err(startup::REPEATED_SSL.into()),
            Packet::GssEncryption if *asked_gss => return Err(startup::REPEATED_GSS.into()),
            // TLS is spoken from the first byte or not at all.
            Packet::Ssl => {
                *asked_ssl = true;
                replies.push(b"N");
            }
            Packet::GssEncryption => {
                *asked_gss = true;
                replies.push(b"N");
            }
            Packet::Cancel => {}
            Packet::Startup { minor, settings } => {
                let declined = startup::options(settings);
                written::greeting(minor, declined, replies);
                self.phase = Phase::Open;
            }
        }
        Ok(Some((length, packet == Packet::Cancel)))
    }

    /// Answers a message.
    #[inline]
    fn answer(&mut self, kind: u8, body: &[u8], replies: &mut Replies) -> Result<(), Refusal> {
        if self.extended.skips(kind) {
            return Ok(());
        }
        let (outcome, is_extended) = match kind {
            b'Q' => (self.query(body, replies), false),
            b'F' => (Err(Refusal::FunctionCall), false),
            b'd' | b'c' | b'f' | b'X' => return Ok(()),
            _ => (self.extended.answer(kind, body, self.max_message, replies), true),
        };
        match outcome {
            Err(refusal) if refusal.severity() == Severity::Fatal => return Err(refusal),
            Err(refusal) => {
                refusal.tell(replies);
                if is_extended {
                    self.extended.fail();
                } else {
                    written::ready(replies);
                    replies.end_message();
                }
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Answers the statements of a simple query, up to the first that is refused.
    fn query(&mut self, body: &[u8], replies: &mut Replies) -> Result<(), Refusal> {
        let mut fields = Fields(body);
        let text = fields.string().filter(|_| fields.is_over()).ok_or(Refusal::Layout)?;
        self.extended.begin_simple();
        let (mut rest, mut answered) = (text, 0);
        while !rest.is_empty() {
            let (statement, after) = statement::first(rest);
            rest = after;
            answered += u64::from(statement != Statement::Empty);
            match self.answer_statement(statement, replies) {
                Err(refusal) if refusal.severity() == Severity::Error => {
                    refusal.tell(replies);
                    break;
                }
                other => other?,
            }
        }
        if answered == 0 {
            written::bare(b'I', replies);
        }
        written::ready(replies);
        replies.end_messages(answered.max(1));
        Ok(())
    }

    fn answer_statement(
        &self,
        statement: Statement<'_>,
        replies: &mut Replies,
    ) -> Result<(), Refusal> {
        match statement {
            Statement::Empty => {}
            Statement::Text(quoted) => {
                let pieces = unquoted(quoted);
                let length: usize = pieces.clone().map(<[u8]>::len).sum();
                if length > self.max_message {
                    return Err(Refusal::TooLong(self.max_message));
                }
                written::row_description(ColumnType::Text, false, replies);
                written::row(pieces, replies);
            }
            Statement::Integer(number) => {
                written::row_description(ColumnType::Int4, false, replies);
                written::integer_row(number, false, replies);
            }
            Statement::Confirmed(tag) => written::complete(tag, replies),
            Statement::Parameter => return Err(Refusal::NoParameter),
            Statement::Unknown => return Err(Refusal::Unknown),
        }
        Ok(())
    }
}

fn refuse(refusal: Refusal, replies: &mut Replies) {
    replies.count_error();
    refusal.tell(replies);
}

impl Respond for PostgresResponder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        if self.finished {
            return Flow::Finish;
        }
        let Self { partial, talk, finished } = self;
        let fed = partial.feed(input, |bytes| {
            let mut used = 0;
            while let Some((length, ended)) = talk.take_first(&bytes[used..], replies)? {
                used += length;
                if ended {
                    *finished = true;
                    return Ok(bytes.len());
                }
            }
            Ok(used)
        });
        if let Err(refusal) = fed {
            refuse(refusal, replies);
            *finished = true;
        }
        if *finished { Flow::Finish } else { Flow::Open }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        if !self.finished && self.unfinished() > 0 {
            replies.count_error();
        }
        self.finished = true;
    }

    #[inline]
    fn unfinished(&self) -> usize {
        self.partial.bytes().len()
    }

    fn time_out(&mut self, replies: &mut Replies) {
        if !std::mem::replace(&mut self.finished, true) {
            refuse(Refusal::Late, replies);
        }
    }
}

#[cfg(test)]
mod tests;
