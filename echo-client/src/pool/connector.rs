//! How connections are made: [`Connector`].

use std::time::Duration;

use echo_net::address::Address;
use echo_net::socket::SocketOptions;

use super::Exchange;
use crate::connection::ConnectionOptions;
use crate::error::ConnectError;
use crate::link::{Link, Tls};

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The server. A name is looked up for every connection.
    pub address: Address,
    /// TLS around the protocol, if it is wanted.
    pub tls: Option<Tls>,
    /// How to speak.
    pub options: ConnectionOptions,
    /// How long making a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// Options of the socket.
    pub socket: SocketOptions,
}

impl Connector {
    /// Plaintext, with 5 s for a connection and the usual options.
    pub fn new(address: Address, options: ConnectionOptions) -> Self {
        Self {
            address,
            tls: None,
            options,
            connect_timeout: Duration::from_secs(5),
            socket: SocketOptions::default(),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When no address answers, or no TLS comes about.
    pub async fn open(&self) -> Result<Exchange, ConnectError> {
        let Self { address, tls, options, connect_timeout, socket } = self;
        let link = Link::open_with(address, tls.as_ref(), *connect_timeout, *socket).await?;
        Ok(Exchange::new(link, options.clone()))
    }
}
