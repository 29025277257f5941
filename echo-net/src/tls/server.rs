//! Who a server is: [`ServerTls`], from PEM files or made up on the spot.

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

/// How long a certificate that is made up on the spot is valid.
const SELF_SIGNED_FOR: Duration = Duration::from_hours(365 * 24);

/// Whom such a certificate names.
const SELF_SIGNED_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A server's certificate and key, and how it speaks TLS. Clones share it.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
    doubt: Option<Fault>,
    warnings: Vec<String>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the key, nothing.
        f.debug_struct("ServerTls")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Two are equal if they show the same certificate.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ServerTls {}

/// Why a server can't speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is of no use.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The two files do not belong together.
    #[error(
        "--tls-key {key}: it is not the key of the certificate in --tls-cert {certificate}"
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
    /// The chain begins with another certificate than the key's.
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
    /// They can't be used.
    #[error("using --tls-cert {certificate} with --tls-key {key}: {reason}")]
    Unusable {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// No certificate could be made up.
    #[error("making a certificate: {0}")]
    SelfSigned(String),
}

impl ServerTls {
    /// By the certificate (and those of its issuers after it, if any) and the key in two
    /// PEM files.
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
            // The one that can't be read may be the key's.
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

    /// By a certificate that is made up now, for this machine only, and signed by nobody
    /// else. Valid for a year and never written anywhere.
    ///
    /// # Errors
    /// When no key can be made (the system has no random numbers).
    pub fn self_signed() -> Result<Self, IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::SelfSigned(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let names = SELF_SIGNED_NAMES.map(String::from);
        let mut parameters = CertificateParams::new(names).map_err(failed)?;
        parameters.distinguished_name.push(DnType::CommonName, "echo-server");
        let now = SystemTime::now();
        // Clocks of peers may go a little late.
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
        // Sessions are taken up again from what the client holds: nothing to store here, and
        // no limit on how many.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Self { config: Arc::new(config), fingerprint, doubt, warnings: Vec::new() })
    }

    /// The fingerprint of the certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Why clients will not accept the certificate, whomever they trust: it has expired, or
    /// is not valid yet, or is for something else.
    pub fn doubt(&self) -> Option<&Fault> {
        self.doubt.as_ref()
    }

    /// What is wrong with the files that the server can do without.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A connection that was just accepted.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn accept(&self) -> Result<Transform, Fault> {
        Ok(Transform::new(ServerConnection::new(Arc::clone(&self.config))?))
    }
}

/// Whether the certificate is the key's.
fn matches(certificate: &CertificateDer<'static>, key: &Arc<dyn SigningKey>) -> bool {
    CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
}

/// What is to be said of a chain in which a certificate is not the issuer of the one before
/// it (RFC 5246 section 7.4.2; RFC 8446 lets clients put up with it).
fn out_of_order(file: &Path, chain: &[(usize, CertificateDer<'static>)]) -> Option<String> {
    let astray = chain.windows(2).find(|pair| {
        let parsed = |at: usize| webpki::EndEntityCert::try_from(&pair[at].1);
        matches!((parsed(0), parsed(1)), (Ok(one), Ok(next)) if one.issuer() != next.subject())
    })?;
    Some(format!(
        "--tls-cert {} line {}: this certificate is not the issuer of the one before it; some \
         clients will refuse the chain (put each issuer right after what it has signed)",
        file.display(),
        astray[1].0
    ))
}

/// What a client that trusts the certificate would say of it today.
fn doubt(chain: &[CertificateDer<'static>]) -> Option<Fault> {
    let (certificate, issuers) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    roots.add(chain.last()?.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .ok()?;
    // Dates are judged before the name and the issuer, of which nothing is known here.
    let name = ServerName::try_from("localhost").ok()?;
    let verdict =
        verifier.verify_server_cert(certificate, issuers, &name, &[], UnixTime::now());
    match verdict.map_err(Fault::from) {
        Err(fault @ (Fault::Expired { .. } | Fault::NotValidYet)) => Some(fault),
        _ => None,
    }
}
