//! HTTP/1.1, as much of it as stock tools need to drive the server and the load generator needs
//! to drive a web server: [`HttpResponder`], [`HttpRequester`] and the [`HttpHost`] of
//! requests. No other version is supported.

mod head;
mod host;
mod reply;
mod requester;
mod responder;

pub use host::{HttpHost, InvalidHttpHost};
pub use requester::HttpRequester;
pub use responder::HttpResponder;
pub(crate) use responder::server_full;
