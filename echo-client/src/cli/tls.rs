//! TLS arguments: [`TlsArgs`].

use std::path::PathBuf;

use clap::Args;
use echo_client::Endpoint;
use echo_net::tls::ServerTrust;

/// TLS arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Use TLS (1.2 or 1.3) and verify the server's certificate
    #[arg(long)]
    pub(crate) tls: bool,

    /// CA certificates (PEM) that verify the server [default: the system's trust store]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,

    /// Skip certificate verification (insecure: allows impersonation)
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Client certificate chain (PEM: the client's certificate first, then its issuers), for
    /// servers that ask for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of --cert (PEM, without passphrase)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Server name for SNI and certificate verification [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
}

impl TlsArgs {
    /// Whether to use TLS with a server.
    ///
    /// # Errors
    /// When a TLS flag is given without TLS.
    pub(crate) fn is_wanted(&self, server: &Endpoint) -> Result<bool, String> {
        // A URL may imply TLS, so clap can't express this.
        let typed = [
            ("--cacert", self.cacert.is_some()),
            ("--insecure", self.insecure),
            ("--cert", self.cert.is_some()),
            ("--server-name", self.server_name.is_some()),
        ];
        let secure = self.tls || server.is_secure();
        match typed.into_iter().find(|(_, typed)| *typed) {
            Some((flag, _)) if !secure => {
                Err(format!("{flag} needs --tls, or a URL of https or rediss"))
            }
            _ => Ok(secure),
        }
    }

    /// The selected server trust.
    pub(crate) fn trust(&self) -> ServerTrust {
        ServerTrust::of(self.cacert.clone(), self.insecure)
    }
}
