//! CA certificates given by the user: [`Issuers`], which verify a server or clients.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::pem::{self, PemError, PemFile};

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
    /// Loads the file that `flag` names.
    ///
    /// # Errors
    /// Names the flag, the file and what is wrong with it.
    pub(super) fn read(flag: &'static str, file: &Path) -> Result<Self, IssuersError> {
        let found = PemFile::read(flag, file)?.certificates(pem::is_issuer)?;
        let warnings = found.warnings();
        let mut roots = RootCertStore::empty();
        for (line, certificate) in &found.good {
            roots.add(certificate.clone()).map_err(|reason| IssuersError::Unusable {
                flag,
                file: file.display().to_string(),
                line: *line,
                reason: reason.to_string(),
            })?;
        }
        let given = found.good.into_iter().map(|(_, certificate)| certificate).collect();
        Ok(Self { roots, given, warnings })
    }
}
