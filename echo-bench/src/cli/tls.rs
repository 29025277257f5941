//! The flags of TLS, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_bench_engine::plan::{Target, TlsPlan, Trust};

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Speak TLS (1.2 or 1.3); an embedded server does then too, with a certificate of its
    /// own that is trusted
    #[arg(long)]
    pub(super) tls: bool,
    /// Trust the certificates in this PEM file and whom they vouch for (default: those that
    /// the system trusts)
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Believe anyone; the report says so
    #[arg(long, requires = "tls")]
    insecure: bool,
    /// Whom the server's certificate must name (default: the host of the target)
    #[arg(long, value_name = "NAME", requires = "tls")]
    server_name: Option<String>,
    /// Resume TLS sessions where the server allows it (default: full handshakes only)
    #[arg(long, requires = "tls")]
    tls_resume: bool,
}

impl TlsArgs {
    /// What was typed, as a part of the plan.
    pub(super) fn plan(&self, target: &Target, secure: bool) -> Option<TlsPlan> {
        let trust = match (&self.cacert, target) {
            _ if self.insecure => Trust::Anyone,
            (Some(file), _) => Trust::Issuers { file: file.display().to_string() },
            (None, Target::Embedded { .. }) => Trust::Embedded,
            (None, Target::Address { .. }) => Trust::Platform,
        };
        let (server_name, resume) = (self.server_name.clone(), self.tls_resume);
        secure.then_some(TlsPlan { trust, server_name, resume })
    }
}
