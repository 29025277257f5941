//! What a server says to an input, without any connection: [`answers`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echo_proto::{Flow, ProtocolKind, Replies, Respond, WriteMode};

/// The time of day in tests, always.
pub fn time_of_day() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// What a client hears from a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// All replies.
    pub bytes: Vec<u8>,
    /// Whether the server ended the connection by itself.
    pub finished: bool,
    /// Messages refused or truncated.
    pub errors: u64,
    /// Messages answered.
    pub messages: u64,
}

/// What a new server says to `pieces`, and to the end of input after them if they have `ended`.
pub fn answers<'a>(
    protocol: ProtocolKind,
    max_message: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    ended: bool,
) -> Heard {
    let mut responder = protocol.responder(max_message, time_of_day);
    let mut heard = Heard::default();
    let mut replies = Replies::new(WriteMode::Whole);
    for piece in pieces {
        replies.clear();
        heard.finished |= responder.receive(piece, &mut replies) == Flow::Finish;
        heard.add(&replies);
    }
    if ended {
        replies.clear();
        responder.end_of_input(&mut replies);
        heard.add(&replies);
    }
    heard
}

impl Heard {
    fn add(&mut self, replies: &Replies) {
        self.bytes.extend_from_slice(replies.bytes());
        self.errors += replies.errors();
        self.messages += replies.messages();
    }
}
