//! The client's side: [`PostgresRequester`]. Each message is the text of a `SELECT`, by default
//! the parameter of a statement that is prepared once. Every request ends with its own Sync, as
//! in libpq's pipeline mode, so that an error ends no other.

use super::login::PostgresLogin;
use super::opening::{Opening, Step};
use super::reply::{self, MOST_MESSAGE, ReplyProgress, Taken};
use super::{HEADER, STATEMENT};
use crate::carry_over::{self, CarryOver};
use crate::{Answers, Malformed, Outcome, Reply, Request};

/// What follows the text of a bound parameter: the format of the result, Execute, Sync.
const AFTER_TEXT: &[u8] = b"\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";

/// Types of messages while a connection is opened.
const OPENING_KINDS: &[u8] = b"RENSKvZ1";

/// The client's side of the PostgreSQL protocol.
#[derive(Debug)]
pub struct PostgresRequester {
    login: PostgresLogin,
    is_simple: bool,
    partial: CarryOver,
    phase: Phase,
    progress: ReplyProgress,
    /// The text of the last error.
    told: Vec<u8>,
    /// What is to be said next while the connection is opened.
    output: Vec<u8>,
    is_over: bool,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was sent.
    Fresh,
    Opening(Box<Opening>),
    Open,
}

impl PostgresRequester {
    /// Expects replies to texts of at most `max_message` bytes, of a server that lets everyone
    /// in.
    pub fn new(max_message: usize) -> Self {
        Self {
            login: PostgresLogin::default(),
            is_simple: false,
            partial: CarryOver::default(),
            phase: Phase::Fresh,
            progress: ReplyProgress::new(carry_over::possible(max_message)),
            told: Vec::new(),
            output: Vec::new(),
            is_over: false,
        }
    }

    /// The same, for this user.
    #[must_use]
    pub fn with_login(self, login: PostgresLogin) -> Self {
        Self { login, ..self }
    }

    /// The same, whose requests are simple queries: the text is a literal.
    #[must_use]
    pub fn simple(self) -> Self {
        Self { is_simple: true, ..self }
    }

    fn begin(&mut self, at_once: bool, wire: &mut Vec<u8>) {
        let opening = Opening::begin(self.login.clone(), !self.is_simple, at_once, wire);
        self.phase = Phase::Opening(Box::new(opening));
    }

    fn encode_extended(payload: &[u8], wire: &mut Vec<u8>) {
        // Portal, statement, no formats, one value with its length.
        let fixed = 1 + STATEMENT.len() + 2 + 2 + 4;
        wire.reserve(HEADER + fixed + payload.len() + AFTER_TEXT.len());
        wire.push(b'B');
        let length = u32::try_from(4 + fixed + payload.len() + 2).unwrap_or(u32::MAX);
        wire.extend_from_slice(&length.to_be_bytes());
        wire.push(0);
        wire.extend_from_slice(STATEMENT);
        wire.extend_from_slice(&[0, 0, 0, 1]);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(payload);
        wire.extend_from_slice(AFTER_TEXT);
    }

    fn encode_simple(payload: &[u8], wire: &mut Vec<u8>) {
        let start = wire.len() + 1;
        wire.reserve(HEADER + payload.len() + 16);
        wire.extend_from_slice(b"Q\0\0\0\0SELECT '");
        // A doubled quote stands for one.
        for piece in payload.split_inclusive(|byte| *byte == b'\'') {
            wire.extend_from_slice(piece);
            if piece.ends_with(b"'") {
                wire.push(b'\'');
            }
        }
        wire.extend_from_slice(b"'\0");
        let length = u32::try_from(wire.len() - start).unwrap_or(u32::MAX);
        wire[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Takes the messages at the start of `bytes` as long as the connection is opened; how many
/// bytes.
#[cold]
fn go_on_opening(
    opening: &mut Opening,
    bytes: &[u8],
    told: &mut Vec<u8>,
    output: &mut Vec<u8>,
) -> Result<(usize, Step), Malformed> {
    let mut used = 0;
    let message = |bytes| reply::message(bytes, OPENING_KINDS, |_| MOST_MESSAGE);
    while let Some((kind, body)) = message(&bytes[used..])? {
        used += HEADER + body.len();
        match opening.take(kind, body, output)? {
            Step::On => {}
            Step::Refused => {
                reply::read_error(body, told)?;
                *told = opening.shown(told);
                return Ok((used, Step::Refused));
            }
            Step::Open => return Ok((used, Step::Open)),
        }
    }
    Ok((used, Step::On))
}

impl Request for PostgresRequester {
    fn open(&mut self, wire: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Fresh) {
            self.begin(false, wire);
        }
        wire.append(&mut self.output);
    }

    #[inline]
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    #[inline]
    fn encode(&mut self, _number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Fresh) {
            self.begin(true, wire);
        }
        if self.is_simple {
            Self::encode_simple(payload, wire);
        } else {
            Self::encode_extended(payload, wire);
        }
    }

    #[inline]
    fn decode(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(Reply<'_>),
    ) -> Result<(), Malformed> {
        // Whatever follows the last words of a server is nothing, in one piece with them or not.
        if self.is_over {
            return Ok(());
        }
        let Self { partial, phase, progress, told, output, is_over, .. } = self;
        let answers = Answers::Oldest;
        if matches!(phase, Phase::Fresh) {
            // A server speaks first only to refuse.
            let opening =
                Opening::begin(PostgresLogin::default(), false, true, &mut Vec::new());
            *phase = Phase::Opening(Box::new(opening));
        }
        partial.feed(input, |bytes| {
            let mut used = 0;
            if let Phase::Opening(opening) = phase {
                let (taken, step) = go_on_opening(opening, bytes, told, output)?;
                used = taken;
                match step {
                    Step::On => return Ok(used),
                    Step::Open => *phase = Phase::Open,
                    Step::Refused => {
                        *is_over = true;
                        let outcome = Outcome::Error;
                        each(Reply { answers, outcome, status: None, body: told });
                    }
                }
            }
            while !*is_over && let Some(taken) = progress.next(&bytes[used..], told)? {
                let Taken { length, reply } = taken;
                if let Some((outcome, body, ends)) = reply {
                    let body = match outcome {
                        Outcome::Error => &told[..],
                        _ => &bytes[used + body.start..used + body.end],
                    };
                    each(Reply { answers, outcome, status: None, body });
                    *is_over = ends;
                }
                used += length;
            }
            Ok(if *is_over { bytes.len() } else { used })
        })
    }

    fn partial(&self) -> &[u8] {
        self.partial.bytes()
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests;
