//! A connection that can be spoken on, inside TLS or not: [`Link`]. Speaks no protocol.

use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_net::socket::SocketOptions;
use echo_net::tls::ClientTls;
use tokio::net::TcpStream;

use crate::connect::connect_with;
use crate::error::ConnectError;
use crate::secure::{Secure, handshake};

/// How to speak TLS, and with whom.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to believe.
    pub client: ClientTls,
    /// Server name for SNI and certificate verification; `None`: the host of the address.
    pub server_name: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub stream: TcpStream,
    /// What speaks TLS on it, if that is wanted.
    pub tls: Option<Secure>,
    /// How long the connection took to make, TLS excluded.
    pub connected_in: Duration,
}

impl Link {
    /// Connects, and agrees on TLS if that is wanted; all of it takes at most `timeout`.
    ///
    /// # Errors
    /// When no address answers, and when the server does not prove who it is, does not
    /// speak TLS, or takes too long.
    pub async fn open(
        address: &Address,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Self::open_with(address, tls, timeout, SocketOptions::default()).await
    }

    /// As [`open`](Self::open), with options of the socket.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
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

    /// The version of TLS, if it is spoken.
    pub fn version(&self) -> Option<&'static str> {
        self.tls.as_ref().and_then(|tls| tls.transform.version())
    }
}
