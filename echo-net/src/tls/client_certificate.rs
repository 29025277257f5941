//! Client certificates: how a client presents its own ([`OwnCertificate`]), why a server refuses
//! one ([`ClientFault`]), and how the refusal reaches the client ([`ClientRefusal`]).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ExtendedKeyPurpose, SignatureScheme};

use super::fault::{ago, alert_in_words, days_between};
use super::verifier;

/// Why a server refuses a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// There is none.
    #[error("the client sent no certificate (--client-ca requires one)")]
    Missing,
    /// The certificate's issuer is not trusted.
    #[error("the client's certificate is from an unknown authority (not one of --client-ca)")]
    UnknownIssuer,
    /// The certificate names a trusted issuer, but is not signed with its key.
    #[error(
        "the client's certificate is not signed by the authority of that name in --client-ca"
    )]
    WrongIssuer,
    /// The certificate has expired.
    #[error("the client's certificate expired{}", ago(*days))]
    Expired {
        /// Whole days since then, if known.
        days: Option<u64>,
    },
    /// The certificate is not valid yet.
    #[error("the client's certificate is not valid yet (check the system clock)")]
    NotValidYet,
    /// The certificate is for something else.
    #[error(
        "the client's certificate is not for clients (its extended key usage lacks clientAuth)"
    )]
    WrongPurpose,
    /// Another certificate error.
    #[error("the client's certificate is invalid: {0}")]
    Invalid(String),
}

impl From<CertificateError> for ClientFault {
    fn from(reason: CertificateError) -> Self {
        match reason {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Other(reason) if verifier::is_issuer_itself(&reason) => {
                Self::UnknownIssuer
            }
            CertificateError::BadSignature => Self::WrongIssuer,
            CertificateError::Expired => Self::Expired { days: None },
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired { days: Some(days_between(not_after, time)) }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet
            }
            CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext {
                required: ExtendedKeyPurpose::ClientAuth,
                ..
            } => Self::WrongPurpose,
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::Invalid(verifier::UNSUPPORTED_SIGNATURE.into())
            }
            // What it holds comes from the client.
            other => Self::Invalid(other.to_string().escape_debug().to_string()),
        }
    }
}

/// A server's refusal of a client's certificate, or of having none, as the client sees it: by an
/// alert. A connection that just ends proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRefusal {
    /// Whether the client has a certificate.
    certified: bool,
    alert: AlertDescription,
}

impl fmt::Display for ClientRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alert = self.alert;
        let words = alert_in_words(alert);
        if !self.certified {
            return write!(
                f,
                "the server requires a client certificate (TLS alert: {words}; set one with --cert \
                 and --key)"
            );
        }
        let cause = match alert {
            AlertDescription::CertificateRequired => {
                ": it accepts none that is signed with such a key"
            }
            AlertDescription::UnknownCA => ": it does not trust the issuer",
            AlertDescription::CertificateExpired => ": it has expired or is not valid yet",
            AlertDescription::CertificateRevoked => ": it was revoked",
            AlertDescription::UnsupportedCertificate => ": it is not for clients",
            _ => "",
        };
        write!(
            f,
            "the server refused the client certificate{cause} (TLS alert: {words}; check --cert \
             and --key)"
        )
    }
}

/// The certificate that a client presents if the server asks for one, or none.
#[derive(Debug, Default)]
pub(super) struct OwnCertificate {
    certified: Option<Arc<CertifiedKey>>,
    /// Whether a server has asked for it.
    asked: AtomicBool,
}

impl OwnCertificate {
    pub(super) fn new(certified: Option<Arc<CertifiedKey>>) -> Arc<Self> {
        Arc::new(Self { certified, asked: AtomicBool::new(false) })
    }

    pub(super) fn exists(&self) -> bool {
        self.certified.is_some()
    }

    /// Whether a server has asked for it so far, on any connection.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What an alert of the server means, if it is about this certificate.
    pub(super) fn refused(&self, alert: AlertDescription) -> Option<ClientRefusal> {
        use AlertDescription as Alert;
        let is_about_it = match alert {
            Alert::CertificateRequired => true,
            // OpenSSL's answer to none under TLS 1.2 is a handshake failure.
            Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError => self.was_asked(),
            _ => false,
        };
        is_about_it.then_some(ClientRefusal { certified: self.exists(), alert })
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Threads share it: written once.
        if !self.was_asked() {
            self.asked.store(true, Ordering::Relaxed);
        }
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.exists()
    }
}
