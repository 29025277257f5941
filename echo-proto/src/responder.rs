//! The server's side of any protocol: [`Responder`], the closed set of [`Respond`]
//! implementations.

use crate::respond::{Flow, Respond};
use crate::{
    CommandResponder, FrameResponder, HttpResponder, LineResponder, MuxResponder, RawResponder,
    Replies, RespResponder,
};

/// The server's side of one connection, whichever its protocol.
///
/// An enum and not a box: one match per read, and no allocation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Responder {
    /// See [`LineResponder`].
    Line(LineResponder),
    /// See [`RawResponder`].
    Raw(RawResponder),
    /// See [`FrameResponder`].
    Frame(FrameResponder),
    /// See [`CommandResponder`].
    Command(CommandResponder),
    /// See [`MuxResponder`].
    Mux(MuxResponder),
    /// See [`RespResponder`].
    Resp(RespResponder),
    /// See [`HttpResponder`].
    Http(Box<HttpResponder>),
}

impl Respond for Responder {
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow {
        match self {
            Self::Line(line) => line.receive(input, replies),
            Self::Raw(raw) => raw.receive(input, replies),
            Self::Frame(frame) => frame.receive(input, replies),
            Self::Command(command) => command.receive(input, replies),
            Self::Mux(mux) => mux.receive(input, replies),
            Self::Resp(resp) => resp.receive(input, replies),
            Self::Http(http) => http.receive(input, replies),
        }
    }

    fn end_of_input(&mut self, replies: &mut Replies) {
        match self {
            Self::Line(line) => line.end_of_input(replies),
            Self::Raw(raw) => raw.end_of_input(replies),
            Self::Frame(frame) => frame.end_of_input(replies),
            Self::Command(command) => command.end_of_input(replies),
            Self::Mux(mux) => mux.end_of_input(replies),
            Self::Resp(resp) => resp.end_of_input(replies),
            Self::Http(http) => http.end_of_input(replies),
        }
    }
}
