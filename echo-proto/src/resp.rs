//! The Redis protocol (RESP2, and RESP3 where a client asks for it), as much of it as stock tools
//! need to drive the server and the load generator needs to drive a Redis: `PING`, `ECHO`,
//! `QUIT`, `HELLO`, `AUTH`, `SELECT`, `CLIENT`. Stores nothing; any other command gets an error
//! reply and the connection stays open.

mod login;
mod opening;
mod quotes;
mod requester;
mod responder;
mod splitter;

pub use login::RespLogin;
pub use requester::RespRequester;
pub use responder::RespResponder;
