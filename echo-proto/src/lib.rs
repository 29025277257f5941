//! The echo protocols, sans-I/O.
//!
//! A protocol is a pair of pure state machines: [`Responder`] is the server's side (bytes
//! in, reply bytes out, keep the connection or finish it) and [`Requester`] the client's
//! (encode request *n*, decode replies and say which request each answers). The same code
//! serves every concurrency model, the client, the load generator and the tests.
//!
//! This crate never touches a socket, a clock, a thread or an async runtime, and it never
//! allocates because a peer *announced* a size: buffers grow only with bytes that arrived.
//!
//! ```
//! use echo_proto::{Flow, ProtocolKind, Replies, Respond, WriteMode};
//!
//! let line = ProtocolKind::Line;
//! let mut responder = line.responder(line.default_max_message(), std::time::SystemTime::now);
//! let mut replies = Replies::new(WriteMode::Whole);
//! assert_eq!(responder.receive(b"hel", &mut replies), Flow::Open);
//! assert_eq!(responder.receive(b"lo\n", &mut replies), Flow::Open);
//! assert_eq!(replies.bytes(), b"ECHO: hello\n");
//! ```

mod carry_over;
pub mod chat;
mod command;
mod decimal;
mod frame;
mod full;
mod http;
mod kind;
mod length_prefix;
mod line;
mod line_splitter;
mod mux;
mod opening;
mod postgres;
mod raw;
mod refused;
mod replies;
mod request;
mod requester;
mod resp;
mod respond;
mod responder;
mod secret;
mod service;
pub mod terminal;
mod unseen;

pub use command::{CommandRequester, CommandResponder};
pub use frame::{FrameRequester, FrameResponder};
pub use http::{HttpHost, HttpRequester, HttpResponder, InvalidHttpHost};
pub use kind::{Expected, ProtocolKind, UnfitMessage};
pub use length_prefix::FrameTooLong;
pub use line::{LineRequester, LineResponder};
pub use line_splitter::{CarriageReturn, LineSplitter, LineTooLong};
pub use mux::{MuxRequester, MuxResponder};
pub use opening::Opening;
pub use postgres::{InvalidLogin, PostgresLogin, PostgresRequester, PostgresResponder};
pub use raw::{RawRequester, RawResponder};
pub use refused::Refused;
pub use replies::{Replies, WriteMode};
pub use request::{Answers, HttpFault, Malformed, OpeningFault, Outcome, Reply, Request};
pub use requester::Requester;
pub use resp::{RespLogin, RespRequester, RespResponder};
pub use respond::{Flow, Respond, WallClock};
pub use responder::Responder;
pub use secret::Secret;
pub use service::Service;
