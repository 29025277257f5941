//! The server's side of any protocol: [`Responder`], the closed set of [`Respond`]
//! implementations.

use crate::respond::{Flow, Respond};
use crate::{
    CommandResponder, FrameResponder, HttpResponder, LineResponder, MuxResponder,
    PostgresResponder, RawResponder, Replies, RespResponder,
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
    /// See [`PostgresResponder`].
    Postgres(Box<PostgresResponder>),
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
            Self::Postgres(postgres) => postgres.receive(input, replies),
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
            Self::Postgres(postgres) => postgres.end_of_input(replies),
        }
    }

    #[inline]
    fn unfinished(&self) -> usize {
        match self {
            Self::Line(line) => line.unfinished(),
            Self::Raw(raw) => raw.unfinished(),
            Self::Frame(frame) => frame.unfinished(),
            Self::Command(command) => command.unfinished(),
            Self::Mux(mux) => mux.unfinished(),
            Self::Resp(resp) => resp.unfinished(),
            Self::Http(http) => http.unfinished(),
            Self::Postgres(postgres) => postgres.unfinished(),
        }
    }

    fn time_out(&mut self, replies: &mut Replies) {
        match self {
            Self::Line(line) => line.time_out(replies),
            Self::Raw(raw) => raw.time_out(replies),
            Self::Frame(frame) => frame.time_out(replies),
            Self::Command(command) => command.time_out(replies),
            Self::Mux(mux) => mux.time_out(replies),
            Self::Resp(resp) => resp.time_out(replies),
            Self::Http(http) => http.time_out(replies),
            Self::Postgres(postgres) => postgres.time_out(replies),
        }
    }
}
