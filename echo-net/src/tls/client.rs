//! TLS configuration of a client: [`ClientTls`], made from a [`ServerTrust`].

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

/// Which server certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTrust {
    /// Those issued by a CA in the system's trust store.
    Platform,
    /// Those issued by a CA certificate in this PEM file, or contained in it.
    Issuers(PathBuf),
    /// The certificate with this fingerprint, without further checks.
    Certificate(Fingerprint),
    /// Any: the connection is encrypted, but not authenticated.
    Anyone,
}

impl ServerTrust {
    /// The trust that `--cacert` and `--insecure` select.
    pub fn of(cacert: Option<PathBuf>, insecure: bool) -> Self {
        match cacert {
            _ if insecure => Self::Anyone,
            Some(file) => Self::Issuers(file),
            None => Self::Platform,
        }
    }

    /// A warning about insecure settings.
    pub fn warning(&self) -> Option<&'static str> {
        (*self == Self::Anyone).then_some(
            "--insecure: certificate verification is disabled, which allows man-in-the-middle \
             attacks (verify the server with --cacert instead)",
        )
    }
}

/// TLS configuration of a client. Clones share it and the session cache.
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

/// Why a trust configuration is unusable.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A PEM file is unusable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate in the file can't act as an issuer.
    #[error("--cacert {file} line {line}: not usable as an issuer: {reason}")]
    Issuer {
        /// The file.
        file: String,
        /// The certificate's line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The system has no trust store.
    #[error("no system trust store found{0} (specify CA certificates with --cacert)")]
    NoPlatform(String),
    /// TLS setup failed.
    #[error("setting up TLS: {0}")]
    Setup(String),
}

impl ClientTls {
    /// A configuration with this trust. Sessions are resumed where the server allows it if
    /// `resumes`; otherwise every handshake is a full one.
    ///
    /// # Errors
    /// When the issuers can't be loaded.
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

    /// Problems in the files that are not fatal.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Starts TLS on a new connection to the server `name`, a DNS name or an IP address. Its
    /// first [output](Transform::take_output) is the ClientHello.
    ///
    /// # Errors
    /// When `name` is neither.
    pub fn connect(&self, name: &str) -> Result<Transform, Fault> {
        let name = without_zone(name);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Fault::Broken(format!("invalid server name `{}`", name.escape_debug()))
        })?;
        Ok(Transform::new(ClientConnection::new(Arc::clone(&self.config), name)?))
    }
}

/// The zone of an IPv6 address is local, and not part of certificates.
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
    // Old lists contain a few certificates that can't be parsed.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let why = loaded.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TrustError::NoPlatform(why));
    }
    Ok(roots)
}
