//! The client's side of any protocol: [`Requester`], the closed set of [`Request`]
//! implementations.

use crate::request::{Malformed, Reply, Request};
use crate::{
    CommandRequester, FrameRequester, HttpHost, HttpRequester, LineRequester, MuxRequester,
    PostgresRequester, RawRequester, RespRequester,
};

/// The client's side of one connection, whichever its protocol.
#[derive(Debug)]
#[non_exhaustive]
pub enum Requester {
    /// See [`LineRequester`].
    Line(LineRequester),
    /// See [`RawRequester`].
    Raw(RawRequester),
    /// See [`FrameRequester`].
    Frame(FrameRequester),
    /// See [`CommandRequester`].
    Command(CommandRequester),
    /// See [`MuxRequester`].
    Mux(MuxRequester),
    /// See [`RespRequester`].
    Resp(RespRequester),
    /// See [`HttpRequester`]. Boxed, as it is by far the largest.
    Http(Box<HttpRequester>),
    /// See [`PostgresRequester`].
    Postgres(Box<PostgresRequester>),
}

impl Requester {
    /// Sets the `Host` of HTTP requests; other protocols ignore it.
    #[must_use]
    pub fn for_http_host(self, host: &HttpHost) -> Self {
        match self {
            Self::Http(http) => Self::Http(Box::new(http.for_host(host.clone()))),
            other => other,
        }
    }
}

impl Request for Requester {
    fn open(&mut self, wire: &mut Vec<u8>) {
        match self {
            Self::Resp(resp) => resp.open(wire),
            Self::Postgres(postgres) => postgres.open(wire),
            _ => {}
        }
    }

    #[inline]
    fn is_open(&self) -> bool {
        match self {
            Self::Resp(resp) => resp.is_open(),
            Self::Postgres(postgres) => postgres.is_open(),
            _ => true,
        }
    }

    #[inline]
    fn encode(&mut self, number: u64, payload: &[u8], wire: &mut Vec<u8>) {
        match self {
            Self::Line(line) => line.encode(number, payload, wire),
            Self::Raw(raw) => raw.encode(number, payload, wire),
            Self::Frame(frame) => frame.encode(number, payload, wire),
            Self::Command(command) => command.encode(number, payload, wire),
            Self::Mux(mux) => mux.encode(number, payload, wire),
            Self::Resp(resp) => resp.encode(number, payload, wire),
            Self::Http(http) => http.encode(number, payload, wire),
            Self::Postgres(postgres) => postgres.encode(number, payload, wire),
        }
    }

    #[inline]
    fn decode(&mut self, input: &[u8], each: impl FnMut(Reply<'_>)) -> Result<(), Malformed> {
        match self {
            Self::Line(line) => line.decode(input, each),
            Self::Raw(raw) => raw.decode(input, each),
            Self::Frame(frame) => frame.decode(input, each),
            Self::Command(command) => command.decode(input, each),
            Self::Mux(mux) => mux.decode(input, each),
            Self::Resp(resp) => resp.decode(input, each),
            Self::Http(http) => http.decode(input, each),
            Self::Postgres(postgres) => postgres.decode(input, each),
        }
    }

    fn end_of_input(&mut self, each: impl FnMut(Reply<'_>)) {
        // All other replies are self-delimiting.
        if let Self::Http(http) = self {
            http.end_of_input(each);
        }
    }

    fn partial(&self) -> &[u8] {
        match self {
            Self::Line(line) => line.partial(),
            Self::Raw(raw) => raw.partial(),
            Self::Frame(frame) => frame.partial(),
            Self::Command(command) => command.partial(),
            Self::Mux(mux) => mux.partial(),
            Self::Resp(resp) => resp.partial(),
            Self::Http(http) => http.partial(),
            Self::Postgres(postgres) => postgres.partial(),
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        match self {
            Self::Http(http) => http.is_over(),
            Self::Postgres(postgres) => postgres.is_over(),
            _ => false,
        }
    }
}
