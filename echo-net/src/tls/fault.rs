//! Why a TLS connection failed: [`Fault`], with cause and remedy.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::client_certificate::{ClientFault, ClientRefusal};
use super::verifier;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// What went wrong on a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The certificate's issuer is not trusted.
    #[error(
        "the issuer of the server's certificate is not trusted (add it with --cacert, or see \
         --insecure)"
    )]
    UnknownIssuer,
    /// The certificate names a trusted issuer, but is not signed with its key.
    #[error(
        "the server's certificate is not signed by the trusted issuer of that name (check \
         --cacert)"
    )]
    WrongIssuer,
    /// The certificate is for other names.
    #[error("the server's certificate is for {presented}, not for {expected}")]
    WrongName {
        /// The expected server name.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// The certificate has expired.
    #[error("the server's certificate expired{}", ago(*days))]
    Expired {
        /// Whole days since then, if known.
        days: Option<u64>,
    },
    /// The certificate is not valid yet.
    #[error("the server's certificate is not valid yet (check the system clock)")]
    NotValidYet,
    /// The certificate has an unexpected fingerprint.
    #[error("the fingerprint of the server's certificate is not the expected one")]
    WrongFingerprint,
    /// Another certificate error.
    #[error("the server's certificate is invalid: {0}")]
    BadCertificate(String),
    /// The client's certificate was rejected here.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The server rejected this client's certificate, or that it has none.
    #[error("{0}")]
    ClientRefused(ClientRefusal),
    /// The peer's bytes are not TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// No common TLS version.
    #[error("no common TLS version (supported: 1.2 and 1.3)")]
    Version,
    /// The peer sent a fatal alert.
    #[error("the peer sent a TLS alert: {0}")]
    Refused(String),
    /// A handshake message is longer than any that is needed.
    #[error(
        "the peer's TLS handshake is longer than 64 KiB; its certificate chain is probably too \
         long (a server needs to send its certificate and the issuers of it, no others)"
    )]
    TooLong,
    /// The connection ended during the handshake.
    #[error("the peer closed the connection during the handshake")]
    Unfinished,
    /// The connection ended without close_notify: data may be missing.
    #[error("stream truncated: closed without close_notify")]
    Truncated,
    /// A protocol violation, or corrupted data.
    #[error("TLS failed: {0}")]
    Broken(String),
}

pub(super) fn ago(days: Option<u64>) -> String {
    match days {
        None => String::new(),
        Some(0) => " today".into(),
        Some(1) => " yesterday".into(),
        Some(days) => format!(" {days} days ago"),
    }
}

impl Fault {
    /// Whether the server's certificate was rejected.
    pub fn is_about_certificate(&self) -> bool {
        match self {
            Self::UnknownIssuer
            | Self::WrongIssuer
            | Self::WrongName { .. }
            | Self::Expired { .. }
            | Self::NotValidYet
            | Self::WrongFingerprint
            | Self::BadCertificate(_) => true,
            Self::Client(_)
            | Self::ClientRefused(_)
            | Self::NotTls
            | Self::Version
            | Self::Refused(_)
            | Self::TooLong
            | Self::Unfinished
            | Self::Truncated
            | Self::Broken(_) => false,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(reason) => reason.into(),
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                // Clients older than TLS 1.2 do not send it (RFC 5246 section 7.4.1.4.1).
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::Version,
            Error::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::CertificatePayloadTooLarge,
            ) => Self::TooLong,
            Error::AlertReceived(alert) => Self::Refused(alert_in_words(alert)),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<CertificateError> for Fault {
    fn from(reason: CertificateError) -> Self {
        match reason {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Expired => Self::Expired { days: None },
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired { days: Some(days_between(not_after, time)) }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let presented = match presented.len() {
                    0 => "no name".into(),
                    _ => {
                        presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
                    }
                };
                Self::WrongName { expected: expected.to_str().into_owned(), presented }
            }
            CertificateError::BadSignature => Self::WrongIssuer,
            CertificateError::Other(reason) if verifier::is_issuer_itself(&reason) => {
                Self::UnknownIssuer
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::BadCertificate(verifier::UNSUPPORTED_SIGNATURE.into())
            }
            // The only verifier that returns this compares fingerprints.
            CertificateError::ApplicationVerificationFailure => Self::WrongFingerprint,
            other => Self::BadCertificate(other.to_string()),
        }
    }
}

pub(super) fn days_between(from: UnixTime, to: UnixTime) -> u64 {
    to.as_secs().saturating_sub(from.as_secs()) / SECONDS_PER_DAY
}

/// A name from an untrusted certificate, escaped. rustls writes names as `DnsName("localhost")`
/// and `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let shown: String = inner.unwrap_or(name).trim_matches('"').chars().take(80).collect();
    shown.escape_debug().to_string()
}

/// The name of an alert in lower case: `BadCertificate` becomes "bad certificate".
pub(super) fn alert_in_words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}");
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
        }
        words.push(letter);
    }
    // `CA` is kept.
    words.split(' ').map(lowered).collect::<Vec<_>>().join(" ")
}

fn lowered(word: &str) -> String {
    if word.chars().all(char::is_uppercase) { word.into() } else { word.to_lowercase() }
}
