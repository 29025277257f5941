//! The flags of TLS: [`TlsArgs`].

use std::path::PathBuf;

use clap::Args;
use echo_net::tls::{IdentityError, ServerTls};

/// Whether the server speaks TLS, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Speak TLS as the owner of this certificate (PEM, its issuers after it)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Speak TLS with a certificate that is made up now, for this machine (localhost);
    /// its fingerprint is told on stderr and in the JSON line
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub tls_self_signed: bool,
}

impl TlsArgs {
    /// Who the server is, if it is to speak TLS.
    ///
    /// # Errors
    /// When a file is no good; names the flag.
    pub fn identity(&self) -> Result<Option<ServerTls>, IdentityError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                ServerTls::from_pem_files(certificate, key).map(Some)
            }
            _ if self.tls_self_signed => ServerTls::self_signed().map(Some),
            _ => Ok(None),
        }
    }
}
