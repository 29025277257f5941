//! Opens connections: [`Connector`].

use std::time::Duration;

use echo_net::address::Address;
use echo_net::socket::SocketOptions;

use super::Exchange;
use crate::connection::ConnectionOptions;
use crate::error::ConnectError;
use crate::link::{Link, Tls};

/// Target and settings of connections.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The server. A name is resolved for every connection.
    pub address: Address,
    /// TLS settings, if TLS is used.
    pub tls: Option<Tls>,
    /// Connection options.
    pub options: ConnectionOptions,
    /// Connect timeout, TLS handshake included.
    pub connect_timeout: Duration,
    /// Socket options.
    pub socket: SocketOptions,
}

impl Connector {
    /// Plaintext, with a connect timeout of 5 s and default socket options.
    pub fn new(address: Address, options: ConnectionOptions) -> Self {
        Self {
            address,
            tls: None,
            options,
            connect_timeout: Duration::from_secs(5),
            socket: SocketOptions::default(),
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When no address answers, or the TLS handshake fails.
    pub async fn open(&self) -> Result<Exchange, ConnectError> {
        let Self { address, tls, options, connect_timeout, socket } = self;
        let link = Link::open_with(address, tls.as_ref(), *connect_timeout, *socket).await?;
        Ok(Exchange::new(link, options.clone()))
    }
}
