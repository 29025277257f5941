//! TLS identity of a server: [`ServerTls`], from PEM files or self-signed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::fault::Fault;
use super::pem::{self, PemError, PemFile};
use super::{Fingerprint, Transform, provider};

const HOUR: Duration = Duration::from_hours(1);

/// Validity of a self-signed certificate.
const SELF_SIGNED_FOR: Duration = Duration::from_hours(365 * 24);

/// Subject alternative names of a self-signed certificate.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A server's certificate, key and TLS configuration. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
    doubt: Option<Fault>,
    warnings: Vec<String>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("ServerTls")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Equal if they have the same certificate.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ServerTls {}

/// Why a TLS identity is unusable.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A PEM file is unusable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Certificate and key do not match.
    #[error("--tls-key {key} does not match the certificate in --tls-cert {certificate}")]
    KeyMismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
    /// The chain does not begin with the key's certificate.
    #[error(
        "--tls-cert {certificate} line {line}: the certificate of --tls-key {key} is here, after \
         others (move it to the beginning of the file: the server's certificate comes first, \
         then its issuers)"
    )]
    WrongOrder {
        /// The certificates' file.
        certificate: String,
        /// The line of the key's certificate.
        line: usize,
        /// The key's file.
        key: String,
    },
    /// rustls rejects them.
    #[error("using --tls-cert {certificate} with --tls-key {key}: {reason}")]
    Unusable {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A self-signed certificate could not be generated.
    #[error("generating a certificate: {0}")]
    SelfSigned(String),
}

impl ServerTls {
    /// Loads the certificate (followed by its issuers, if any) and the key from two PEM files.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let found =
            PemFile::read("--tls-cert", certificate)?.certificates(pem::is_certificate)?;
        let private = PemFile::read("--tls-key", key)?.key()?;
        let of_key = found.good.iter().position(|(_, der)| matches(der, &private));
        let warnings =
            found.warnings().into_iter().chain(out_of_order(certificate, &found.good));
        let warnings = warnings.collect();
        let (file, key) = (certificate.display().to_string(), key.display().to_string());
        match of_key {
            Some(0) => {}
            Some(place) => {
                let line = found.good[place].0;
                return Err(IdentityError::WrongOrder { certificate: file, line, key });
            }
            // The certificate that can't be parsed may be the key's.
            None => match found.bad.into_iter().next() {
                Some(bad) => return Err(bad.into()),
                None => return Err(IdentityError::KeyMismatch { certificate: file, key }),
            },
        }
        let chain = found.good.into_iter().map(|(_, certificate)| certificate).collect();
        let made = Self::new(chain, private).map_err(|reason| IdentityError::Unusable {
            certificate: file,
            key,
            reason: reason.to_string(),
        })?;
        Ok(Self { warnings, ..made })
    }

    /// Generates a self-signed certificate for this machine, valid for a year and never written
    /// to disk.
    ///
    /// # Errors
    /// When no key can be generated (no random numbers).
    pub fn self_signed() -> Result<Self, IdentityError> {
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
        let failed = |error: rustls::Error| IdentityError::SelfSigned(error.to_string());
        let key = any_supported_type(&PrivateKeyDer::from(key)).map_err(failed)?;
        Self::new(vec![certificate.der().clone()], key).map_err(failed)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, rustls::Error> {
        let fingerprint = Fingerprint::of_der(&chain[0]);
        let doubt = doubt(&chain);
        let certified = CertifiedKey::new(chain, key);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        // Sessions are resumed from tickets held by the client: no server-side storage, and no
        // limit on their number.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Self { config: Arc::new(config), fingerprint, doubt, warnings: Vec::new() })
    }

    /// The fingerprint of the certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Why clients will reject the certificate, whatever they trust: it has expired, is not
    /// valid yet, or is for another purpose.
    pub fn doubt(&self) -> Option<&Fault> {
        self.doubt.as_ref()
    }

    /// Problems in the files that are not fatal.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Starts TLS on an accepted connection.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn accept(&self) -> Result<Transform, Fault> {
        Ok(Transform::new(ServerConnection::new(Arc::clone(&self.config))?))
    }
}

/// Whether the certificate matches the key.
fn matches(certificate: &CertificateDer<'static>, key: &Arc<dyn SigningKey>) -> bool {
    CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
}

/// Warns about a chain in which a certificate is not the issuer of the previous one (RFC 5246
/// section 7.4.2; RFC 8446 lets clients tolerate it).
fn out_of_order(file: &Path, chain: &[(usize, CertificateDer<'static>)]) -> Option<String> {
    let astray = chain.windows(2).find(|pair| {
        let parsed = |at: usize| webpki::EndEntityCert::try_from(&pair[at].1);
        matches!((parsed(0), parsed(1)), (Ok(one), Ok(next)) if one.issuer() != next.subject())
    })?;
    Some(format!(
        "--tls-cert {} line {}: this certificate is not the issuer of the one before it; some \
         clients will reject the chain (put each issuer right after the certificate that it signed)",
        file.display(),
        astray[1].0
    ))
}

/// How a client that trusts the certificate would reject it today.
fn doubt(chain: &[CertificateDer<'static>]) -> Option<Fault> {
    let (certificate, issuers) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    roots.add(chain.last()?.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .ok()?;
    // Validity dates are checked before name and issuer, which are not known here.
    let name = ServerName::try_from("localhost").ok()?;
    let verdict =
        verifier.verify_server_cert(certificate, issuers, &name, &[], UnixTime::now());
    match verdict.map_err(Fault::from) {
        Err(fault @ (Fault::Expired { .. } | Fault::NotValidYet)) => Some(fault),
        _ => None,
    }
}
