//! A connection that can be spoken on, inside TLS or not: [`Link`]. Speaks no protocol.

use std::time::{Duration, Instant};

use echo_net::address::Address;
use echo_net::tls::ClientTls;
use tokio::net::TcpStream;

use crate::connect::connect;
use crate::error::ConnectError;
use crate::secure::{Secure, handshake};

/// How to speak TLS, and with whom.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to believe.
    pub client: ClientTls,
    /// Whom the server's certificate must name; `None`: the host of the address.
    pub server_name: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub stream: TcpStream,
    /// What speaks TLS on it, if that is wanted.
    pub tls: Option<Secure>,
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
        let begin = Instant::now();
        let mut stream = connect(address, timeout).await?;
        let Some(Tls { client, server_name }) = tls else {
            return Ok(Self { stream, tls: None });
        };
        let left = timeout.saturating_sub(begin.elapsed());
        let name = server_name.as_deref();
        let tls = handshake(&mut stream, client, address, name, left).await?;
        Ok(Self { stream, tls: Some(tls) })
    }

    /// The version of TLS, if it is spoken.
    pub fn version(&self) -> Option<&'static str> {
        self.tls.as_ref().and_then(|tls| tls.transform.version())
    }
}
