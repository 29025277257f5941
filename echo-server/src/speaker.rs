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

impl Respond for Speaker {
    #[inline]
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
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
}

impl From<Responder> for Speaker {
    fn from(responder: Responder) -> Self {
        Self::Echo(responder)
    }
}
