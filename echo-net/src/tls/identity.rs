//! A certificate with its key, from PEM files: [`Identity`], of a server or of a client. Which
//! file is at fault is judged here, for both.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CertificateError, Error, RootCertStore};

use super::issuers::IssuersError;
use super::pem::{self, PemError, PemFile};
use super::provider;

/// The longest handshake message that peers accept, and what TLS 1.3 adds to each certificate
/// of a chain (RFC 8446 section 4.4.2).
const MOST_CHAIN_BYTES: usize = 64 * 1024 - 16;
const OVERHEAD: usize = 5;

/// Whose identity it is, which decides the names of the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Owner {
    /// A server: `--tls-cert` and `--tls-key`.
    Server,
    /// A client: `--cert` and `--key`.
    Client,
}

impl Owner {
    fn certificate_flag(self) -> &'static str {
        match self {
            Self::Server => "--tls-cert",
            Self::Client => "--cert",
        }
    }

    fn key_flag(self) -> &'static str {
        match self {
            Self::Server => "--tls-key",
            Self::Client => "--key",
        }
    }

    fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Why a TLS identity is unusable.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A PEM file is unusable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Certificate and key do not match.
    #[error(
        "{} {key} does not match the certificate in {} {certificate}",
        owner.key_flag(),
        owner.certificate_flag()
    )]
    KeyMismatch {
        /// Whose they are.
        owner: Owner,
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
    /// The chain does not begin with the key's certificate.
    #[error(
        "{} {certificate} line {line}: the certificate of {} {key} is here, after others (move it \
         to the beginning of the file: the {owner}'s certificate comes first, then its issuers)",
        owner.certificate_flag(),
        owner.key_flag()
    )]
    WrongOrder {
        /// Whose they are.
        owner: Owner,
        /// The certificates' file.
        certificate: String,
        /// The line of the key's certificate.
        line: usize,
        /// The key's file.
        key: String,
    },
    /// More certificates than a peer accepts.
    #[error(
        "{} {certificate}: {count} certificates of {bytes} bytes together are too long a chain \
         (TLS {}s accept 64 KiB; keep the {owner}'s certificate, which comes first, and its \
         issuers)",
        owner.certificate_flag(),
        owner.peer()
    )]
    LongChain {
        /// Whose they are.
        owner: Owner,
        /// The certificates' file.
        certificate: String,
        /// How many there are.
        count: usize,
        /// Their size.
        bytes: usize,
    },
    /// The CA certificates that verify clients are unusable.
    #[error(transparent)]
    ClientCa(#[from] IssuersError),
    /// rustls rejects the configuration.
    #[error("setting up TLS: {0}")]
    Setup(#[from] Error),
    /// A self-signed certificate could not be generated.
    #[error("generating a certificate: {0}")]
    SelfSigned(String),
}

/// A certificate, its issuers and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    /// Problems in the files that are not fatal.
    pub(super) warnings: Vec<String>,
}

impl Identity {
    /// Loads the certificate (followed by its issuers, if any) and the key from two PEM files.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub(super) fn from_pem_files(
        owner: Owner,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, IdentityError> {
        let found = PemFile::read(owner.certificate_flag(), certificate)?
            .certificates(pem::is_certificate)?;
        let private = PemFile::read(owner.key_flag(), key)?.key()?;
        let of_key = found.good.iter().position(|(_, der)| matches(der, &private));
        let astray = out_of_order(owner, certificate, &found.good);
        let warnings = found.warnings().into_iter().chain(astray).collect();
        let (file, key) = (certificate.display().to_string(), key.display().to_string());
        match of_key {
            Some(0) => {}
            Some(place) => {
                let line = found.good[place].0;
                return Err(IdentityError::WrongOrder { owner, certificate: file, line, key });
            }
            // The certificate that can't be parsed may be the key's.
            None => match found.bad.into_iter().next() {
                Some(bad) => return Err(bad.into()),
                None => {
                    return Err(IdentityError::KeyMismatch { owner, certificate: file, key });
                }
            },
        }
        let chain: Vec<_> =
            found.good.into_iter().map(|(_, certificate)| certificate).collect();
        let bytes = chain.iter().map(|certificate| certificate.len() + OVERHEAD).sum();
        if bytes > MOST_CHAIN_BYTES {
            let count = chain.len();
            return Err(IdentityError::LongChain { owner, certificate: file, count, bytes });
        }
        Ok(Self { certified: Arc::new(CertifiedKey::new(chain, private)), warnings })
    }
}

/// Whether the certificate matches the key.
fn matches(certificate: &CertificateDer<'static>, key: &Arc<dyn SigningKey>) -> bool {
    CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
}

/// Warns about a chain in which a certificate is not the issuer of the previous one (RFC 5246
/// section 7.4.2; RFC 8446 lets peers tolerate it).
fn out_of_order(
    owner: Owner,
    file: &Path,
    chain: &[(usize, CertificateDer<'static>)],
) -> Option<String> {
    let astray = chain.windows(2).find(|pair| {
        let parsed = |at: usize| webpki::EndEntityCert::try_from(&pair[at].1);
        matches!((parsed(0), parsed(1)), (Ok(one), Ok(next)) if one.issuer() != next.subject())
    })?;
    Some(format!(
        "{} {} line {}: this certificate is not the issuer of the one before it; some {}s will \
         reject the chain (put each issuer right after the certificate that it signed)",
        owner.certificate_flag(),
        file.display(),
        astray[1].0,
        owner.peer()
    ))
}

/// Whether the certificate has expired or is not valid yet: why every peer rejects it today,
/// whatever it trusts.
pub(super) fn out_of_date(chain: &[CertificateDer<'static>]) -> Option<CertificateError> {
    let (certificate, issuers) = chain.split_first()?;
    let mut roots = RootCertStore::empty();
    roots.add(chain.last()?.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .ok()?;
    // Validity dates are checked before name, purpose and issuer, which are not known here.
    let name = ServerName::try_from("localhost").ok()?;
    match verifier.verify_server_cert(certificate, issuers, &name, &[], UnixTime::now()) {
        Err(Error::InvalidCertificate(
            reason @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => Some(reason),
        _ => None,
    }
}
