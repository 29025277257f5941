//! TLS on the way to a server: [`PeerTls`], and how long its handshakes and logins took:
//! [`Handshakes`].

use std::ops::AddAssign;

use echo_net::Nanos;
use echo_net::tls::{ClientTls, Fault, Transform};

use crate::record::Latency;

/// How to speak TLS with the peer of a run.
#[derive(Debug, Clone)]
pub struct PeerTls {
    client: ClientTls,
    name: String,
}

impl PeerTls {
    /// As `client` does, with a server whose certificate must name `name`.
    ///
    /// # Errors
    /// When no certificate can name that.
    pub fn new(client: ClientTls, name: &str) -> Result<Self, Fault> {
        client.connect(name)?;
        Ok(Self { client, name: name.to_owned() })
    }

    /// Whether there is a client certificate that the peer has not asked for.
    pub(super) fn has_unasked_certificate(&self) -> bool {
        self.client.has_unasked_certificate()
    }

    /// A new connection.
    pub(super) fn begin(&self) -> Result<Transform, Fault> {
        self.client.connect(&self.name)
    }
}

/// Times from the made connection to the end of what comes before requests.
#[derive(Debug, Clone, Default)]
pub struct Handshakes {
    /// Of TLS handshakes with certificate and signature.
    pub full: Latency,
    /// Of TLS handshakes that took up an earlier session.
    pub resumed: Latency,
    /// Of logins at a database: from the made connection, after its TLS handshake where there is
    /// one, until requests may be sent.
    pub login: Latency,
}

impl Handshakes {
    /// Adds one that is over and `took` so long.
    pub(super) fn record(&mut self, tls: &Transform, took: Nanos) {
        let clock = if tls.is_resumed() { &mut self.resumed } else { &mut self.full };
        clock.record(took);
    }
}

impl AddAssign<&Self> for Handshakes {
    fn add_assign(&mut self, other: &Self) {
        self.full += &other.full;
        self.resumed += &other.resumed;
        self.login += &other.login;
    }
}
