//! The start-up of a client: [`Opening`]. Says who it is, proves it by password, MD5 or
//! SCRAM-SHA-256, and prepares the statement that requests execute.

use std::fmt;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use super::fields::Fields;
use super::login::PostgresLogin;
use super::{STATEMENT, TEXT};
use crate::{Malformed, OpeningFault, Secret};

/// Protocol version 3.0.
const VERSION: u32 = 3 << 16;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Opening {
    login: PostgresLogin,
    stage: Stage,
    /// Whether a statement is prepared.
    prepares: bool,
    /// Whether all was sent with the first packet, for a server that asks for no password.
    at_once: bool,
}

/// What is awaited.
enum Stage {
    /// How to prove who it is.
    Asking,
    /// Whether the proof is accepted.
    Proven,
    /// The next message of SCRAM, or the last; in a box, since it is large.
    Scram(Box<ScramSha256>),
    /// Settings, and that the server is ready.
    Settings,
    /// That the statement is prepared.
    Preparing,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asking => "Asking",
            Self::Proven => "Proven",
            Self::Scram(_) => "Scram",
            Self::Settings => "Settings",
            Self::Preparing => "Preparing",
        })
    }
}

/// What a message of a server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    On,
    /// The server has refused it.
    Refused,
    /// Requests may be sent.
    Open,
}

impl Opening {
    /// Of a connection for this login; appends the first packet. With `at_once`, also what
    /// follows when no password is asked for.
    pub(super) fn begin(
        login: PostgresLogin,
        prepares: bool,
        at_once: bool,
        wire: &mut Vec<u8>,
    ) -> Self {
        let start = wire.len();
        wire.extend([0; 4]);
        wire.extend(VERSION.to_be_bytes());
        let database = login.database().map(|database| ("database", database));
        let settings =
            [Some(("user", login.user())), database, Some(("client_encoding", "UTF8"))];
        for (name, value) in settings.into_iter().flatten() {
            for text in [name, value] {
                wire.extend(text.as_bytes());
                wire.push(0);
            }
        }
        wire.push(0);
        end_message(wire, start);
        if at_once && prepares {
            prepare(wire);
        }
        Self { login, stage: Stage::Asking, prepares, at_once }
    }

    /// Takes a message; appends the answer to it.
    pub(super) fn take(
        &mut self,
        kind: u8,
        body: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        match (kind, &self.stage) {
            (b'R', _) => self.authenticate(body, wire)?,
            (b'E', _) => return Ok(Step::Refused),
            // Notices, settings, the key to cancel with, other versions of the protocol.
            (b'N' | b'S' | b'K' | b'v', _) | (b'1', Stage::Preparing) => {}
            (b'Z', Stage::Settings) if self.prepares => {
                self.stage = Stage::Preparing;
                if !self.at_once {
                    prepare(wire);
                }
            }
            (b'Z', Stage::Settings | Stage::Preparing) => return Ok(Step::Open),
            _ => return Err(Malformed::NotPostgres),
        }
        Ok(Step::On)
    }

    /// A text of the server without the password, should it repeat it.
    pub(super) fn shown(&self, text: &[u8]) -> Vec<u8> {
        let password = self.login.password.as_ref();
        password.map_or_else(|| text.to_vec(), |it| it.masked(text, self.login.user()))
    }

    fn authenticate(&mut self, body: &[u8], wire: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut fields = Fields(body);
        let method = fields.number().ok_or(Malformed::NotPostgres)?;
        let stage = std::mem::replace(&mut self.stage, Stage::Proven);
        self.stage = match (method, stage) {
            (0, Stage::Asking | Stage::Proven) => Stage::Settings,
            // It has not shown that it knows the password.
            (0, Stage::Scram(_)) => return Err(OpeningFault::Unproven.into()),
            (3, Stage::Asking) => {
                let password = self.password()?.reveal();
                send(b'p', wire, |wire| {
                    wire.extend(password.as_bytes());
                    wire.push(0);
                });
                Stage::Proven
            }
            (5, Stage::Asking) => {
                let salt = fields.0.try_into().map_err(|_| Malformed::NotPostgres)?;
                let password = self.password()?.reveal();
                let hash = md5_hash(self.login.user().as_bytes(), password.as_bytes(), salt);
                send(b'p', wire, |wire| {
                    wire.extend(hash.as_bytes());
                    wire.push(0);
                });
                Stage::Proven
            }
            (10, Stage::Asking) => Stage::Scram(self.begin_scram(fields, wire)?),
            (11, Stage::Scram(mut scram)) => {
                scram.update(fields.0).map_err(|_| OpeningFault::Scram)?;
                send(b'p', wire, |wire| wire.extend(scram.message()));
                Stage::Scram(scram)
            }
            (12, Stage::Scram(mut scram)) => {
                scram.finish(fields.0).map_err(|_| OpeningFault::Unproven)?;
                Stage::Proven
            }
            (0 | 3 | 5 | 10 | 11 | 12, _) => return Err(Malformed::NotPostgres),
            (method, _) => return Err(OpeningFault::Method(method).into()),
        };
        Ok(())
    }

    fn begin_scram(
        &self,
        mut fields: Fields<'_>,
        wire: &mut Vec<u8>,
    ) -> Result<Box<ScramSha256>, Malformed> {
        let offered = std::iter::from_fn(|| fields.string().filter(|name| !name.is_empty()));
        let mut offered = offered.map(|name| name == SCRAM_SHA_256.as_bytes());
        if !offered.any(|is_known| is_known) {
            return Err(OpeningFault::Mechanism.into());
        }
        let password = self.password()?.reveal();
        let scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        send(b'p', wire, |wire| {
            wire.extend(SCRAM_SHA_256.as_bytes());
            wire.push(0);
            let message = scram.message();
            wire.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            wire.extend(message);
        });
        Ok(Box::new(scram))
    }

    fn password(&self) -> Result<&Secret, Malformed> {
        // What was sent after the first packet would be taken for the password.
        let password = self.login.password.as_ref().filter(|_| !self.at_once);
        password.ok_or(Malformed::Opening(OpeningFault::NoPassword))
    }
}

/// Appends a message.
fn send(kind: u8, wire: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    wire.push(kind);
    let start = wire.len();
    wire.extend([0; 4]);
    body(wire);
    end_message(wire, start);
}

/// Sets the length of the message whose length is at `start`.
fn end_message(wire: &mut [u8], start: usize) {
    let length = u32::try_from(wire.len() - start).unwrap_or(u32::MAX);
    wire[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends what prepares the statement.
fn prepare(wire: &mut Vec<u8>) {
    send(b'P', wire, |wire| {
        wire.extend(STATEMENT);
        wire.extend(b"SELECT $1::text\0");
        wire.extend(1_u16.to_be_bytes());
        wire.extend(TEXT.to_be_bytes());
    });
    send(b'S', wire, |_| {});
}
