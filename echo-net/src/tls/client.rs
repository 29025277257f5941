//! Whom a client trusts: [`ClientTls`], made from a [`ServerTrust`].

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::fault::Fault;
use super::pem::{self, PemError, PemFile};
use super::verifier::{GivenIssuers, KnownCertificate};
use super::{Fingerprint, Transform, provider};

/// Which servers are believed to be who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTrust {
    /// Those issued by a CA that this machine trusts.
    Platform,
    /// Those issued by a CA certificate in this PEM file, or in it themselves.
    Issuers(PathBuf),
    /// The one with this certificate, whatever else it says.
    Certificate(Fingerprint),
    /// All of them: the connection is secret, and nobody knows with whom.
    Anyone,
}

impl ServerTrust {
    /// What `--cacert` and `--insecure` mean.
    pub fn of(cacert: Option<PathBuf>, insecure: bool) -> Self {
        match cacert {
            _ if insecure => Self::Anyone,
            Some(file) => Self::Issuers(file),
            None => Self::Platform,
        }
    }

    /// What is to be said to who trusts like this, if anything.
    pub fn warning(&self) -> Option<&'static str> {
        (*self == Self::Anyone).then_some(
            "--insecure: nobody checks who the server is; anyone on the way can pose as it \
             (name its certificate with --cacert instead)",
        )
    }
}

/// How a client speaks TLS. Clones share it, and the sessions that may be resumed.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    warnings: Vec<String>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file is of no use.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate in it can't be trusted in.
    #[error("--cacert {file} line {line}: not usable as an issuer: {reason}")]
    Issuer {
        /// The file.
        file: String,
        /// The certificate's line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The machine has no list of issuers.
    #[error("this machine has no list of trusted issuers{0} (name one with --cacert)")]
    NoPlatform(String),
    /// TLS itself can't be set up.
    #[error("setting up TLS: {0}")]
    Setup(String),
}

impl ClientTls {
    /// Trusts as told. Sessions are resumed where the server allows it if `resumes`; else
    /// every handshake is a full one.
    ///
    /// # Errors
    /// When the issuers can't be read.
    pub fn new(trust: &ServerTrust, resumes: bool) -> Result<Self, TrustError> {
        let mut warnings = Vec::new();
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            ServerTrust::Platform => web_pki(platform_roots()?)?,
            ServerTrust::Issuers(file) => Arc::new(given_issuers(file, &mut warnings)?),
            ServerTrust::Certificate(fingerprint) => {
                Arc::new(KnownCertificate::new(Some(*fingerprint)))
            }
            ServerTrust::Anyone => Arc::new(KnownCertificate::new(None)),
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::Setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self { config: Arc::new(config), warnings })
    }

    /// What is wrong with the files that the client can do without.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A connection that was just made to the server called `name`, a DNS name or an IP
    /// address. Its first [output](Transform::take_output) is the client's hello.
    ///
    /// # Errors
    /// When `name` is neither.
    pub fn connect(&self, name: &str) -> Result<Transform, Fault> {
        let name = without_zone(name);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Fault::Broken(format!("`{}` is no name for a certificate", name.escape_debug()))
        })?;
        Ok(Transform::new(ClientConnection::new(Arc::clone(&self.config), name)?))
    }
}

/// The zone of an IPv6 address is this machine's own, and in no certificate.
fn without_zone(name: &str) -> &str {
    match name.split_once('%') {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address,
        _ => name,
    }
}

fn given_issuers(file: &Path, warnings: &mut Vec<String>) -> Result<GivenIssuers, TrustError> {
    let found = PemFile::read("--cacert", file)?.certificates(pem::is_issuer)?;
    warnings.extend(found.warnings());
    let mut roots = RootCertStore::empty();
    for (line, certificate) in &found.good {
        roots.add(certificate.clone()).map_err(|reason| TrustError::Issuer {
            file: file.display().to_string(),
            line: *line,
            reason: reason.to_string(),
        })?;
    }
    let given = found.good.into_iter().map(|(_, certificate)| certificate).collect();
    Ok(GivenIssuers::new(web_pki(roots)?, given))
}

fn web_pki(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TrustError::Setup(error.to_string()))
}

fn platform_roots() -> Result<RootCertStore, TrustError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old lists hold a few that nobody can use any more.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why = loaded.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TrustError::NoPlatform(why));
    }
    Ok(roots)
}
