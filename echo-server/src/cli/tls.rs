//! TLS arguments: [`TlsArgs`].

use std::path::PathBuf;

use clap::Args;
use echo_net::tls::{IdentityError, SelfSigned, ServerTls};

use super::InvalidArgs;

/// TLS settings of the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// TLS certificate chain (PEM)
    ///
    /// The server's certificate first, then its issuers.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM, without passphrase)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// TLS with a self-signed certificate for localhost
    ///
    /// Generated at startup; its fingerprint is printed on stderr and in the JSON line.
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub tls_self_signed: bool,

    /// Require a client certificate that a CA certificate in this file has issued (PEM; the file
    /// may also contain clients' certificates, which stand for themselves only)
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// # Errors
    /// When client certificates are required without TLS.
    pub(super) fn check(&self) -> Result<(), InvalidArgs> {
        let secure = self.tls_cert.is_some() || self.tls_self_signed;
        if secure || self.client_ca.is_none() { Ok(()) } else { Err(InvalidArgs::ClientCa) }
    }

    /// The certificate to generate, if that is asked for.
    ///
    /// # Errors
    /// When no key can be generated.
    pub(crate) fn generated(&self) -> Result<Option<SelfSigned>, IdentityError> {
        self.tls_self_signed.then(SelfSigned::generate).transpose()
    }

    /// The server's TLS identity, if TLS is enabled.
    ///
    /// # Errors
    /// When a file is unusable; names the flag.
    pub fn identity(&self) -> Result<Option<ServerTls>, IdentityError> {
        self.identity_with(self.generated()?.as_ref())
    }

    /// The same with this certificate, if one is [generated](Self::generated).
    pub(crate) fn identity_with(
        &self,
        generated: Option<&SelfSigned>,
    ) -> Result<Option<ServerTls>, IdentityError> {
        let own = match (&self.tls_cert, &self.tls_key, generated) {
            (Some(certificate), Some(key), _) => ServerTls::from_pem_files(certificate, key)?,
            (_, _, Some(generated)) => ServerTls::of_self_signed(generated)?,
            _ => return Ok(None),
        };
        match &self.client_ca {
            Some(file) => own.requiring_clients(file).map(Some),
            None => Ok(Some(own)),
        }
    }
}
