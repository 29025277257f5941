//! The client's side of any protocol: [`Requester`], the closed set of [`Request`]
//! implementations.

use crate::request::{Malformed, Reply, Request};
use crate::{
    CommandRequester, FrameRequester, HttpHost, HttpRequester, LineRequester, MuxRequester,
    RawRequester, RespRequester,
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
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        matches!(self, Self::Http(http) if http.is_over())
    }
}
