//! The server's side of a protocol: [`Respond`], and [`Responder`], the closed set of its
//! implementations. Refuses to know how bytes arrive or leave.

use std::time::SystemTime;

use crate::{
    CommandResponder, FrameResponder, HttpResponder, LineResponder, MuxResponder, RawResponder,
    Replies, RespResponder,
};

/// Tells the time of day. Protocols that answer with it are given one, since nothing here
/// looks at a clock by itself.
pub type WallClock = fn() -> SystemTime;

/// Whether a connection goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Keep reading.
    Open,
    /// Send what was replied, shut down the write side, and discard what still arrives for
    /// a bounded time before closing: a plain close with unread input makes the kernel send
    /// a reset, which can destroy the last reply (RFC 9293 section 3.6.1).
    Finish,
}

/// The server's side of one connection of a protocol.
pub trait Respond {
    /// Takes all of `input` and appends the replies to the messages that it completes.
    ///
    /// Any split of the same stream into calls gives the same replies. After
    /// [`Flow::Finish`] every further input is ignored.
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow;

    /// The peer has half-closed: answers what a protocol answers without a terminator.
    fn end_of_input(&mut self, replies: &mut Replies);
}

/// The server's side of one connection, whichever its protocol.
///
/// An enum and not a box: the match is made once per read, and nothing is allocated for it.
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
