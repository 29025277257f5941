//! TLS as a transform of bytes: [`Transform`], for both sides, independent of the protocol
//! inside. The server's identity is a [`ServerTls`], the client's trust a [`ClientTls`], its own
//! certificate a [`ClientIdentity`]; errors are a [`Fault`].
//!
//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by rustls with ring only. No socket, and no clock
//! except for certificate validity.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

mod alert;
mod client;
mod client_certificate;
mod fault;
mod identity;
mod issuers;
mod pem;
mod records;
mod server;
mod transform;
mod verifier;

pub use alert::is_alert;
pub use client::{ClientIdentity, ClientTls, ServerTrust, TrustError};
pub use client_certificate::{ClientFault, ClientRefusal};
pub use fault::Fault;
pub use identity::{IdentityError, Owner};
pub use issuers::IssuersError;
pub use pem::{PemError, PemFault};
pub use server::{SelfSigned, ServerTls};
pub use transform::Transform;

/// The cryptography provider.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The SHA-256 fingerprint of a certificate, displayed and parsed as `AB:CD:…`, 32 bytes in
/// hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    fn of_der(certificate: &CertificateDer<'_>) -> Self {
        Self::of(certificate)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let separator = if place > 0 { ":" } else { "" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Invalid fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-256 fingerprint (expected 32 bytes in hexadecimal, like AB:CD:…)")]
pub struct InvalidFingerprint;

impl std::str::FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; 32];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(InvalidFingerprint)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| InvalidFingerprint)?;
        }
        if parts.next().is_some() { Err(InvalidFingerprint) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests;
