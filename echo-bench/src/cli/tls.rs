//! The flags of TLS, as typed.

use std::path::{Path, PathBuf};

use clap::Args;

use super::RunArgsError;
use echo_bench_engine::plan::{ClientCertificate, Target, TlsPlan, Trust};

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Speak TLS (1.2 or 1.3); an embedded server does then too, with a certificate of its
    /// own that is trusted. PostgreSQL speaks TLS from the first byte since version 17
    #[arg(long)]
    pub(super) tls: bool,
    /// CA certificates (PEM) that verify the server [default: those of the system]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Skip certificate verification (recorded in the report)
    #[arg(long)]
    insecure: bool,
    /// Client certificate chain (PEM: the client's certificate first, then its issuers), for
    /// servers that ask for one; an embedded server does with --server-client-ca
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of --cert (PEM, without passphrase)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Server name for SNI and certificate verification [default: the host of the target]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Resume TLS sessions where the server allows it, instead of full handshakes only
    #[arg(long)]
    tls_resume: bool,
}

impl TlsArgs {
    /// What was typed, as a part of the plan.
    ///
    /// # Errors
    /// When something is typed that means nothing without TLS.
    pub(super) fn plan(
        &self,
        target: &Target,
        secure: bool,
    ) -> Result<Option<TlsPlan>, RunArgsError> {
        let typed = [
            ("--cacert", self.cacert.is_some()),
            ("--insecure", self.insecure),
            ("--cert", self.cert.is_some()),
            ("--server-name", self.server_name.is_some()),
            ("--tls-resume", self.tls_resume),
        ];
        // A URL may mean TLS, so this can't be said where the flags are declared.
        if !secure && let Some((flag, _)) = typed.into_iter().find(|(_, typed)| *typed) {
            return Err(RunArgsError::NeedsTls(flag));
        }
        let trust = match (&self.cacert, target) {
            _ if self.insecure => Trust::Anyone,
            (Some(file), _) => Trust::Issuers { file: file.display().to_string() },
            (None, Target::Embedded { .. }) => Trust::Embedded,
            (None, Target::Command(_) | Target::Address { .. }) => Trust::Platform,
        };
        let shown = |file: &Path| file.display().to_string();
        let client_certificate =
            self.cert.as_deref().zip(self.key.as_deref()).map(|(certificate, key)| {
                ClientCertificate { certificate: shown(certificate), key: shown(key) }
            });
        let (server_name, resume) = (self.server_name.clone(), self.tls_resume);
        Ok(secure.then_some(TlsPlan { trust, server_name, resume, client_certificate }))
    }
}
