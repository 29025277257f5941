//! The application protocol of a connection: [`Speaker`], either echo or chat.

use echo_proto::{Flow, Replies, Respond, Responder};

use crate::chat::Seat;

/// Receives a session's input.
#[derive(Debug)]
pub(crate) enum Speaker {
    /// Replies to each message.
    Echo(Responder),
    /// A member of the chat room.
    Chat(Box<Seat>),
}

impl Speaker {
    /// Whether its stream consists of messages, so that a peer sees which were answered.
    pub(crate) fn has_messages(&self) -> bool {
        !matches!(self, Self::Echo(Responder::Raw(_)))
    }
}

impl Respond for Speaker {
    #[inline]
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        #[cfg(test)]
        panic_if_asked(input);
        match self {
            Self::Echo(responder) => responder.receive(input, replies),
            Self::Chat(seat) => seat.receive(input, replies),
        }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        match self {
            Self::Echo(responder) => responder.end_of_input(replies),
            Self::Chat(seat) => seat.end_of_input(replies),
        }
    }

    #[inline]
    fn unfinished(&self) -> usize {
        match self {
            Self::Echo(responder) => responder.unfinished(),
            Self::Chat(seat) => seat.unfinished(),
        }
    }

    fn time_out(&mut self, replies: &mut Replies) {
        match self {
            Self::Echo(responder) => responder.time_out(replies),
            Self::Chat(seat) => seat.time_out(replies),
        }
    }
}

impl From<Responder> for Speaker {
    fn from(responder: Responder) -> Self {
        Self::Echo(responder)
    }
}

/// What makes a worker panic, in tests of what happens then.
#[cfg(test)]
pub(crate) const PANIC: &[u8] = b"panic, please\n";

#[cfg(test)]
fn panic_if_asked(input: &[u8]) {
    assert!(input != PANIC, "on purpose, in a test");
}
