//! TLS on the way to a server: [`PeerTls`], and how long its handshakes took:
//! [`Handshakes`].

use std::ops::AddAssign;

use echo_client::pool::Exchange;
use echo_net::Nanos;
use echo_net::clock::nanos;
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

    /// How TLS is spoken.
    pub(super) fn client(&self) -> &ClientTls {
        &self.client
    }

    /// Whom the certificate must name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A new connection.
    pub(super) fn begin(&self) -> Result<Transform, Fault> {
        self.client.connect(&self.name)
    }
}

/// Times from the made connection to the end of the handshake.
#[derive(Debug, Clone, Default)]
pub struct Handshakes {
    /// Of those with certificate and signature.
    pub full: Latency,
    /// Of those that took up an earlier session.
    pub resumed: Latency,
}

impl Handshakes {
    /// Adds one that is over and `took` so long.
    pub(super) fn record(&mut self, tls: &Transform, took: Nanos) {
        let clock = if tls.is_resumed() { &mut self.resumed } else { &mut self.full };
        clock.record(took);
    }

    /// Adds that of a connection of a pool, if it speaks TLS.
    pub(super) fn add(&mut self, exchange: &Exchange) {
        match exchange.handshake() {
            Some((took, true)) => self.resumed.record(nanos(took)),
            Some((took, false)) => self.full.record(nanos(took)),
            None => {}
        }
    }
}

impl AddAssign<&Self> for Handshakes {
    fn add_assign(&mut self, other: &Self) {
        self.full += &other.full;
        self.resumed += &other.resumed;
    }
}
