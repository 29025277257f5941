//! What is said on stdout once a server serves: [`Ready`].

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context as _;
use echo_net::address::SocketAddress;
use echo_net::{activation, stdout};
use serde::Serialize;
use tracing::warn;

use crate::config::Config;
use crate::metrics::Endpoint;

/// The ready line on stdout, printed once all workers serve.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the name in the JSON line")]
pub(super) struct Ready {
    ready: bool,
    /// The first listen address.
    addr: SocketAddress,
    pub(super) addrs: Vec<SocketAddress>,
    model: String,
    protocol: String,
    /// Null for a thread per connection.
    workers: Option<usize>,
    busy_poll: bool,
    pid: u32,
    version: &'static str,
    /// Where metrics are served; null without.
    metrics: Option<SocketAddr>,
    /// Null without TLS.
    tls: Option<ReadyTls>,
}

#[derive(Debug, Serialize)]
struct ReadyTls {
    /// SHA-256 of the certificate.
    fingerprint: String,
}

impl Ready {
    /// `addrs` are the listen addresses, at least one.
    pub(super) fn of(
        config: &Config,
        addrs: Vec<SocketAddress>,
        metrics: Option<&Endpoint>,
    ) -> Self {
        Self {
            ready: true,
            addr: addrs[0],
            addrs,
            model: config.model.to_string(),
            protocol: config.protocol.to_string(),
            workers: config.model.has_workers().then_some(config.workers),
            busy_poll: config.busy_poll,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            metrics: metrics.map(Endpoint::address),
            tls: config
                .tls
                .as_ref()
                .map(|tls| ReadyTls { fingerprint: tls.fingerprint().to_string() }),
        }
    }
}

/// Prints the ready line, and tells a service manager. A closed pipe is ignored; any other write
/// error is fatal, since a program that waits for the line would wait forever.
pub(super) fn announce(ready: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(ready).context("writing the ready line")?;
    stdout::finish(writeln!(io::stdout(), "{line}")).context(
        "writing the ready line to stdout (if nobody reads it, redirect stdout to /dev/null)",
    )?;
    if let Err(error) = activation::notify_ready() {
        warn!(%error, "telling the service manager (NOTIFY_SOCKET) failed");
    }
    Ok(())
}
