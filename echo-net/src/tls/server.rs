//! TLS identity of a server: [`ServerTls`], from PEM files or self-signed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

use super::fault::Fault;
use super::identity::{self, Identity, IdentityError, Owner};
use super::issuers::Issuers;
use super::verifier::GivenIssuers;
use super::{Fingerprint, Transform, provider};

const HOUR: Duration = Duration::from_hours(1);

/// The most that the names of CA certificates may take of a handshake, in bytes. Naming them is
/// optional (RFC 8446 section 4.2.4), and clients accept messages of 64 KiB.
const MOST_HINT_BYTES: usize = 16 * 1024;

/// Validity of a self-signed certificate.
const SELF_SIGNED_FOR: Duration = Duration::from_hours(365 * 24);

/// Subject alternative names of a self-signed certificate.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A server's certificate, key and TLS configuration. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    identity: Identity,
    requires_clients: bool,
    doubt: Option<Fault>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("ServerTls")
            .field("fingerprint", &self.fingerprint())
            .field("requires_clients", &self.requires_clients)
            .finish_non_exhaustive()
    }
}

/// Equal if they have the same certificate, and both or none require those of clients.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        (self.fingerprint(), self.requires_clients)
            == (other.fingerprint(), other.requires_clients)
    }
}

impl Eq for ServerTls {}

impl ServerTls {
    /// Loads the certificate (followed by its issuers, if any) and the key from two PEM files.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::new(Identity::from_pem_files(Owner::Server, certificate, key)?)
    }

    /// Generates a [self-signed](SelfSigned) certificate and takes it.
    ///
    /// # Errors
    /// When no key can be generated (no random numbers).
    pub fn self_signed() -> Result<Self, IdentityError> {
        Self::of_self_signed(&SelfSigned::generate()?)
    }

    /// The identity with this certificate.
    ///
    /// # Errors
    /// When it is not one that was [generated](SelfSigned::generate).
    pub fn of_self_signed(own: &SelfSigned) -> Result<Self, IdentityError> {
        let failed = |error: rustls::Error| IdentityError::SelfSigned(error.to_string());
        let key = PrivatePkcs8KeyDer::from(own.key.clone());
        let key = any_supported_type(&PrivateKeyDer::from(key)).map_err(failed)?;
        let certificate = CertificateDer::from(own.certificate.clone());
        let certified = CertifiedKey::new(vec![certificate], key);
        Self::new(Identity { certified: Arc::new(certified), warnings: Vec::new() })
    }

    pub(super) fn new(identity: Identity) -> Result<Self, IdentityError> {
        let config = config(&identity, WebPkiClientVerifier::no_client_auth())?;
        let doubt = identity::out_of_date(&identity.certified.cert).map(Fault::from);
        Ok(Self { config, identity, requires_clients: false, doubt })
    }

    /// The same, for clients only that present a certificate which a CA certificate in this PEM
    /// file has issued, or which the file contains. At least one must be that of a CA.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub fn requiring_clients(self, client_ca: &Path) -> Result<Self, IdentityError> {
        let Self { mut identity, doubt, .. } = self;
        let Issuers { roots, given, warnings } =
            Issuers::read_authorities("--client-ca", client_ca)?;
        identity.warnings.extend(warnings);
        let roots_named = roots.len();
        let hints: usize = roots.subjects().iter().map(|name| name.as_ref().len()).sum();
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        // A client may send nothing if its issuer is not named, though it is given itself.
        let names_all = given.len() == roots_named;
        let builder = if hints > MOST_HINT_BYTES || !names_all {
            builder.clear_root_hint_subjects()
        } else {
            builder
        };
        let usual =
            builder.build().map_err(|error| rustls::Error::General(error.to_string()))?;
        let config = config(&identity, Arc::new(GivenIssuers::new(usual, given)))?;
        Ok(Self { config, identity, requires_clients: true, doubt })
    }

    /// The same, which selects the protocol of this name (ALPN, RFC 7301) for a client that asks
    /// for it, and refuses one that asks for others only.
    #[must_use]
    pub fn with_alpn(mut self, name: &[u8]) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = vec![name.to_vec()];
        self
    }

    /// The fingerprint of the certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_der(&self.identity.certified.cert[0])
    }

    /// Whether clients must present a certificate.
    pub fn requires_clients(&self) -> bool {
        self.requires_clients
    }

    /// Why clients will reject the certificate, whatever they trust: it has expired, is not
    /// valid yet, or is for another purpose.
    pub fn doubt(&self) -> Option<&Fault> {
        self.doubt.as_ref()
    }

    /// Problems in the files that are not fatal.
    pub fn warnings(&self) -> &[String] {
        &self.identity.warnings
    }

    /// The same, which judges by this clock.
    #[cfg(test)]
    pub(super) fn with_clock(
        mut self,
        clock: Arc<dyn rustls::time_provider::TimeProvider>,
    ) -> Self {
        Arc::make_mut(&mut self.config).time_provider = clock;
        self
    }

    /// Starts TLS on an accepted connection.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn accept(&self) -> Result<Transform, Fault> {
        Ok(Transform::of_server(ServerConnection::new(Arc::clone(&self.config))?))
    }
}

/// A self-signed certificate for this machine and its key, valid for a year and never written to
/// disk. All processes of a server have the same one.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct SelfSigned {
    /// In DER.
    certificate: Vec<u8>,
    /// In DER (PKCS #8).
    key: Vec<u8>,
}

impl SelfSigned {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be generated (no random numbers).
    pub fn generate() -> Result<Self, IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::SelfSigned(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let names = SELF_SIGNED_NAMES.map(String::from);
        let mut parameters = CertificateParams::new(names).map_err(failed)?;
        parameters.distinguished_name.push(DnType::CommonName, "echo-server");
        let now = SystemTime::now();
        // Clocks of peers may be slightly behind.
        parameters.not_before = (now - HOUR).into();
        parameters.not_after = (now + SELF_SIGNED_FOR).into();
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        Ok(Self { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("SelfSigned").finish_non_exhaustive()
    }
}

fn config(
    identity: &Identity,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let own = SingleCertAndKey::from(CertifiedKey::clone(&identity.certified));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(own));
    // Sessions are resumed from tickets held by the client: no server-side storage, and no
    // limit on their number. A ticket is issued only after the client's certificate was accepted,
    // and its key is as old as this configuration.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(Arc::new(config))
}
