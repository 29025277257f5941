//! HTTP/1.1, as much of it as stock tools need to drive the server, and as the load
//! generator needs to drive a web server: [`HttpResponder`], [`HttpRequester`] and the
//! [`HttpHost`] that requests name. Knows no other version.

mod head;
mod host;
mod reply;
mod requester;
mod responder;

pub use host::{HttpHost, InvalidHttpHost};
pub use requester::HttpRequester;
pub use responder::HttpResponder;
pub(crate) use responder::server_full;
