//! CA certificates given by the user: [`Issuers`], which verify a server or clients.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::pem::{self, PemError, PemFile};
use super::provider;

/// Why CA certificates are unusable.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    /// The PEM file is unusable.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate in the file can't act as an issuer.
    #[error("{flag} {file} line {line}: not usable as an issuer: {reason}")]
    Unusable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: String,
        /// The certificate's line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// No certificate in the file is that of a CA.
    #[error(
        "{flag} {file} line {line}: not a CA certificate (its basic constraints lack CA:TRUE); give \
         the certificate of the CA that issued it, or make one with openssl req -x509 -addext \
         basicConstraints=critical,CA:TRUE"
    )]
    NoAuthority {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: String,
        /// The line of its first certificate.
        line: usize,
    },
}

/// The certificates of a file, as issuers.
pub(super) struct Issuers {
    pub(super) roots: RootCertStore,
    /// The same certificates, whole.
    pub(super) given: Vec<CertificateDer<'static>>,
    /// Problems in the file that are not fatal.
    pub(super) warnings: Vec<String>,
}

impl Issuers {
    /// Loads the file that `flag` names. Each of its certificates may act as an issuer, as a
    /// server's self-signed one does that was made without CA:TRUE.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub(super) fn read(flag: &'static str, file: &Path) -> Result<Self, IssuersError> {
        Self::read_if(flag, file, |_| true)
    }

    /// Loads the file that `flag` names. Only CA certificates act as issuers: the key of another
    /// one may be in the hands of a client, who could let others in with it.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub(super) fn read_authorities(
        flag: &'static str,
        file: &Path,
    ) -> Result<Self, IssuersError> {
        Self::read_if(flag, file, is_authority)
    }

    fn read_if(
        flag: &'static str,
        file: &Path,
        issues: impl Fn(&CertificateDer<'_>) -> bool,
    ) -> Result<Self, IssuersError> {
        let found = PemFile::read(flag, file)?.certificates(pem::is_issuer)?;
        let mut warnings = found.warnings();
        let mut roots = RootCertStore::empty();
        let shown = || file.display().to_string();
        for (line, certificate) in &found.good {
            if !issues(certificate) {
                warnings.push(format!(
                    "{flag} {} line {line}: not a CA certificate (its basic constraints lack \
                     CA:TRUE): it stands for itself only, and verifies no other certificate",
                    shown()
                ));
                continue;
            }
            roots.add(certificate.clone()).map_err(|reason| IssuersError::Unusable {
                flag,
                file: shown(),
                line: *line,
                reason: reason.to_string(),
            })?;
        }
        if let (true, Some((line, _))) = (roots.is_empty(), found.good.first()) {
            return Err(IssuersError::NoAuthority { flag, file: shown(), line: *line });
        }
        let given = found.good.into_iter().map(|(_, certificate)| certificate).collect();
        Ok(Self { roots, given, warnings })
    }
}

/// Whether a certificate is that of a CA. Those of X.509 version 1 can't say so, and only a user
/// who means it as an issuer gives one.
fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else { return true };
    let algorithms = provider().signature_verification_algorithms.all;
    let judged_at = |time| {
        let usage = webpki::KeyUsage::client_auth();
        parsed.verify_for_usage(algorithms, &[], &[], time, usage, None, None).err()
    };
    // Validity dates are checked first, so at a time at which they are met.
    let refused = match judged_at(UnixTime::now()) {
        Some(webpki::Error::CertExpired { not_after, .. }) => judged_at(not_after),
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => judged_at(not_before),
        refused => refused,
    };
    matches!(refused, Some(webpki::Error::CaUsedAsEndEntity))
}
