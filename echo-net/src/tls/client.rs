//! TLS configuration of a client: [`ClientTls`], made from a [`ServerTrust`].

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::client_certificate::{ClientFault, OwnCertificate};
use super::fault::Fault;
use super::identity::{self, Identity, IdentityError, Owner};
use super::issuers::{Issuers, IssuersError};
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

/// A client's certificate and key, which servers may ask for. Clones share them.
#[derive(Clone)]
pub struct ClientIdentity(Identity);

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

impl ClientIdentity {
    /// Loads the certificate (followed by its issuers, if any) and the key from two PEM files.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let mut identity = Identity::from_pem_files(Owner::Client, certificate, key)?;
        let doubt = identity::out_of_date(&identity.certified.cert).map(ClientFault::from);
        identity.warnings.extend(doubt.map(|doubt| {
            format!("servers will refuse --cert {}: {doubt}", certificate.display())
        }));
        Ok(Self(identity))
    }
}

/// TLS configuration of a client. Clones share it and the session cache.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    own: Arc<OwnCertificate>,
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
    /// The CA certificates are unusable.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// The client's own certificate or key is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
        Self::with_identity(trust, resumes, None)
    }

    /// Like [`new`](Self::new), with a certificate for servers that ask for one.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_identity(
        trust: &ServerTrust,
        resumes: bool,
        identity: Option<&ClientIdentity>,
    ) -> Result<Self, TrustError> {
        let mut warnings = Vec::new();
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            ServerTrust::Platform => web_pki(platform_roots()?)?,
            ServerTrust::Issuers(file) => {
                let Issuers { roots, given, warnings: found } =
                    Issuers::read("--cacert", file)?;
                warnings.extend(found);
                Arc::new(GivenIssuers::new(web_pki(roots)?, given))
            }
            ServerTrust::Certificate(fingerprint) => {
                Arc::new(KnownCertificate::new(Some(*fingerprint)))
            }
            ServerTrust::Anyone => Arc::new(KnownCertificate::new(None)),
        };
        warnings.extend(identity.iter().flat_map(|identity| identity.0.warnings.clone()));
        let certified = identity.map(|identity| Arc::clone(&identity.0.certified));
        let own = OwnCertificate::new(certified);
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::Setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::clone(&own) as _);
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self { config: Arc::new(config), own, warnings })
    }

    /// The same, which asks for the protocol of this name (ALPN, RFC 7301). A server that
    /// selects none is accepted.
    #[must_use]
    pub fn with_alpn(mut self, name: &[u8]) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = vec![name.to_vec()];
        self
    }

    /// Problems in the files that are not fatal.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether this client has a certificate, and no server has asked for it so far.
    pub fn has_unasked_certificate(&self) -> bool {
        self.own.exists() && !self.own.was_asked()
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
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        Ok(Transform::of_client(connection, Arc::clone(&self.own)))
    }
}

/// The zone of an IPv6 address is local, and not part of certificates.
fn without_zone(name: &str) -> &str {
    match name.split_once('%') {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address,
        _ => name,
    }
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
