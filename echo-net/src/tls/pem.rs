//! Certificates and keys from PEM files: [`PemFile`]. Errors name the flag, the file, the line,
//! what was found and the remedy. Keys with a passphrase are not supported.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

use blocks::{Block, blocks};

mod blocks;
#[cfg(test)]
mod tests;

/// Maximum size of a PEM file in bytes: a hundred times the largest root collections.
const MOST_BYTES: u64 = 64 << 20;

/// Maximum number of block labels named in an error.
const MOST_NAMED: usize = 4;

/// Unsupported curves: their object identifiers in DER, which appear in keys and certificates
/// alike.
const UNSUPPORTED_CURVES: [(&[u8], &str); 3] = [
    (&[6, 5, 0x2b, 0x81, 4, 0, 0x23], "P-521"),
    (&[6, 5, 0x2b, 0x81, 4, 0, 0x0a], "secp256k1"),
    (&[6, 3, 0x2b, 0x65, 0x71], "Ed448"),
];

/// Why a PEM file, or a block in it, is unusable.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {}{}: {fault}", file.display(), line.map(|line| format!(" line {line}")).unwrap_or_default())]
pub struct PemError {
    /// The flag that names the file.
    pub flag: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The line of the block, if the error is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: PemFault,
}

/// What is wrong with a PEM file, or a block in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// Reading failed.
    #[error("{0}")]
    Unreadable(String),
    /// It does not contain what is needed.
    #[error(
        "no {wanted} found (expected PEM, with a line -----BEGIN {label}-----{})",
        held(found)
    )]
    Without {
        /// What was needed.
        wanted: &'static str,
        /// Its PEM label.
        label: &'static str,
        /// The labels found instead.
        found: Vec<String>,
    },
    /// It is DER.
    #[error(
        "binary data (DER or PKCS#12), not PEM (convert it: openssl x509 -inform der, \
         openssl pkey -inform der, or openssl pkcs12 -nodes)"
    )]
    Binary,
    /// It is text in another encoding.
    #[error("UTF-16 text (save the file as UTF-8 or ASCII)")]
    Utf16,
    /// A BEGIN line without END line.
    #[error("broken PEM: -----BEGIN {label}----- without its END line (truncated file?)")]
    Unfinished {
        /// Its label.
        label: String,
    },
    /// Invalid base64 between BEGIN and END.
    #[error("broken PEM: {0}")]
    Broken(String),
    /// A certificate in OpenSSL's TRUSTED CERTIFICATE format.
    #[error(
        "a TRUSTED CERTIFICATE in OpenSSL's own format (convert it: openssl x509 -in FILE)"
    )]
    Trusted,
    /// Invalid certificate data.
    #[error("not a valid X.509 certificate: {0} (remove or replace it)")]
    BadCertificate(String),
    /// The key has a passphrase.
    #[error(
        "an encrypted private key, {label} (decrypt it: openssl pkey -in FILE -out PLAIN_FILE)"
    )]
    Encrypted {
        /// Its PEM label.
        label: String,
    },
    /// An unsupported kind of key.
    #[error(
        "{what} is not supported (use ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits)"
    )]
    UnsupportedKey {
        /// What was found.
        what: String,
    },
}

fn held(found: &[String]) -> String {
    let mut named: Vec<_> = found.iter().take(MOST_NAMED).map(String::as_str).collect();
    if found.len() > MOST_NAMED {
        named.push("more");
    }
    if named.is_empty() { String::new() } else { format!("; found: {}", named.join(", ")) }
}

/// A PEM file named by a flag.
pub(super) struct PemFile<'a> {
    flag: &'static str,
    path: &'a Path,
    blocks: Vec<Block>,
}

/// The certificates of a file.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Usable certificates, at least one, each with its line.
    pub(super) good: Vec<(usize, CertificateDer<'static>)>,
    /// Why the others are unusable.
    pub(super) bad: Vec<PemError>,
}

impl Certificates {
    /// Warnings about certificates that are ignored.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.bad.iter().map(|error| format!("certificate ignored: {error}")).collect()
    }
}

impl<'a> PemFile<'a> {
    pub(super) fn read(flag: &'static str, path: &'a Path) -> Result<Self, PemError> {
        let unfit = |fault| PemError { flag, file: path.to_owned(), line: None, fault };
        let unreadable = |reason: io::Error| unfit(PemFault::Unreadable(reason.to_string()));
        let mut text = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        // A device or a pipe has no size.
        file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MOST_BYTES {
            return Err(unfit(PemFault::Unreadable("too large for PEM".into())));
        }
        Ok(Self { flag, path, blocks: blocks(&text).map_err(unfit)? })
    }

    /// All its certificates, in order, at least one of which passes `check`.
    pub(super) fn certificates(
        &self,
        check: impl Fn(&CertificateDer<'_>) -> Result<(), PemFault>,
    ) -> Result<Certificates, PemError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            let certificate = match block.label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" => decode(block, "CERTIFICATE"),
                "TRUSTED CERTIFICATE" => Err(PemFault::Trusted),
                _ => continue,
            };
            match certificate.and_then(|certificate| check(&certificate).map(|()| certificate))
            {
                Ok(certificate) => good.push((block.line, certificate)),
                Err(fault) => bad.push(self.error(Some(block.line), fault)),
            }
        }
        if good.is_empty() {
            let first = bad.into_iter().next();
            return Err(first.unwrap_or_else(|| self.without("certificate", "CERTIFICATE")));
        }
        Ok(Certificates { good, bad })
    }

    /// Its first private key, ready for signing.
    pub(super) fn key(&self) -> Result<Arc<dyn SigningKey>, PemError> {
        let is_key = |block: &&Block| block.label.ends_with("PRIVATE KEY");
        let Some(block) = self.blocks.iter().find(is_key) else {
            return Err(self.without("private key", "PRIVATE KEY"));
        };
        let refused = |fault| self.error(Some(block.line), fault);
        if block.is_encrypted() {
            return Err(refused(PemFault::Encrypted { label: block.label.clone() }));
        }
        let unsupported = |what| refused(PemFault::UnsupportedKey { what });
        let other = || unsupported(format!("this kind of private key ({})", block.label));
        if !matches!(block.label.as_str(), "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY")
        {
            return Err(other());
        }
        let key: PrivateKeyDer<'_> = decode(block, &block.label).map_err(refused)?;
        any_supported_type(&key).map_err(|_| match unsupported_curve(key.secret_der()) {
            Some(curve) => unsupported(format!("a private key on the curve {curve}")),
            None => other(),
        })
    }

    fn without(&self, wanted: &'static str, label: &'static str) -> PemError {
        let found =
            self.blocks.iter().map(|block| format!("{} (line {})", block.label, block.line));
        self.error(None, PemFault::Without { wanted, label, found: found.collect() })
    }

    fn error(&self, line: Option<usize>, fault: PemFault) -> PemError {
        PemError { flag: self.flag, file: self.path.to_owned(), line, fault }
    }
}

fn decode<T: PemObject>(block: &Block, label: &str) -> Result<T, PemFault> {
    T::from_pem_slice(block.normal(label)?.as_bytes())
        .map_err(|reason| PemFault::Broken(reason.to_string()))
}

/// Whether a certificate can be parsed.
pub(super) fn is_certificate(certificate: &CertificateDer<'_>) -> Result<(), PemFault> {
    webpki::anchor_from_trusted_cert(certificate)
        .map(drop)
        .map_err(|reason| PemFault::BadCertificate(reason.to_string()))
}

/// Whether a certificate can act as an issuer: signatures on an unsupported curve can't be
/// verified.
pub(super) fn is_issuer(certificate: &CertificateDer<'_>) -> Result<(), PemFault> {
    is_certificate(certificate)?;
    let anchor = webpki::anchor_from_trusted_cert(certificate);
    match anchor.ok().and_then(|anchor| unsupported_curve(&anchor.subject_public_key_info)) {
        Some(curve) => {
            let what = format!("a certificate with a key on the curve {curve}");
            Err(PemFault::UnsupportedKey { what })
        }
        None => Ok(()),
    }
}

fn unsupported_curve(der: &[u8]) -> Option<&'static str> {
    let holds =
        |identifier: &[u8]| der.windows(identifier.len()).any(|part| part == identifier);
    let (_, name) = UNSUPPORTED_CURVES.iter().find(|(identifier, _)| holds(identifier))?;
    Some(name)
}
