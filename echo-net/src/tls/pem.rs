//! Certificates and keys in PEM files, with errors that name the file and what is wrong
//! with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Most bytes of a PEM file: a hundred times what the largest collections of roots have.
const MOST_BYTES: u64 = 64 << 20;

/// Why a PEM file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It can't be read.
    #[error("{flag} {}: {reason}", file.display())]
    Unreadable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// It holds nothing of what is looked for.
    #[error("{flag} {}: no {wanted} in it (expected PEM, with a line -----BEGIN {label}-----)", file.display())]
    Without {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// How it begins.
        label: &'static str,
    },
    /// It begins well and goes wrong.
    #[error("{flag} {}: broken PEM: {reason}", file.display())]
    Broken {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A PEM file that a flag has named.
pub(super) struct PemFile<'a> {
    flag: &'static str,
    path: &'a Path,
    text: Vec<u8>,
}

impl<'a> PemFile<'a> {
    pub(super) fn read(flag: &'static str, path: &'a Path) -> Result<Self, PemError> {
        let unreadable = |reason| PemError::Unreadable { flag, file: path.to_owned(), reason };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MOST_BYTES {
            let reason = io::Error::new(io::ErrorKind::FileTooLarge, "too large for PEM");
            return Err(unreadable(reason));
        }
        Ok(Self { flag, path, text: fs::read(path).map_err(unreadable)? })
    }

    /// All certificates in it, in order, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&self.text).collect();
        let certificates = certificates.map_err(|reason| self.broken(&reason))?;
        if certificates.is_empty() {
            return Err(self.without("certificate", "CERTIFICATE"));
        }
        Ok(certificates)
    }

    /// The first private key in it.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, PemError> {
        let mut keys = PrivateKeyDer::pem_slice_iter(&self.text);
        match keys.next() {
            Some(Ok(key)) => Ok(key),
            Some(Err(reason)) => Err(self.broken(&reason)),
            None => Err(self.without("private key without a passphrase", "PRIVATE KEY")),
        }
    }

    fn broken(&self, reason: &rustls::pki_types::pem::Error) -> PemError {
        let reason = reason.to_string();
        PemError::Broken { flag: self.flag, file: self.path.to_owned(), reason }
    }

    fn without(&self, wanted: &'static str, label: &'static str) -> PemError {
        PemError::Without { flag: self.flag, file: self.path.to_owned(), wanted, label }
    }
}
