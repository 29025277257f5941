//! An established connection, with or without TLS: [`Link`].

use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_net::socket::SocketOptions;
use echo_net::stream::Stream;
use echo_net::tls::ClientTls;

use crate::connect::connect_with;
use crate::error::ConnectError;
use crate::secure::{Secure, handshake};

/// TLS settings of a connection.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Accepted certificates.
    pub client: ClientTls,
    /// Server name for SNI and certificate verification; `None`: the host of the address.
    pub server_name: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub stream: Stream,
    /// The TLS state, if TLS is used.
    pub tls: Option<Secure>,
    /// Connect time, without the TLS handshake.
    pub connected_in: Duration,
}

impl Link {
    /// Connects, with the TLS handshake if `tls` is given; all of it takes at most `timeout`.
    ///
    /// # Errors
    /// When no address answers, and when the TLS handshake fails or times out.
    pub async fn open(
        address: &Address,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Self::open_with(address, tls, timeout, SocketOptions::default()).await
    }

    /// Like [`open`](Self::open), with socket options.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn open_with(
        address: &Address,
        tls: Option<&Tls>,
        timeout: Duration,
        socket: SocketOptions,
    ) -> Result<Self, ConnectError> {
        let begin = Instant::now();
        let mut stream = connect_with(address, timeout, socket).await?;
        let connected_in = begin.elapsed();
        let Some(Tls { client, server_name }) = tls else {
            return Ok(Self { stream, tls: None, connected_in });
        };
        let left = timeout.saturating_sub(connected_in);
        let name = server_name.as_deref();
        let tls = handshake(&mut stream, client, address, name, left).await?;
        Ok(Self { stream, tls: Some(tls), connected_in })
    }

    /// The TLS version, if TLS is used.
    pub fn version(&self) -> Option<&'static str> {
        self.tls.as_ref().and_then(|tls| tls.transform.version())
    }
}
