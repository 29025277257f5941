//! Why a TLS connection failed: [`Fault`], in words that name the cause and the way out.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::verifier;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// What went wrong on a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The certificate's issuer is not among those that are trusted.
    #[error(
        "the server's certificate was issued by nobody that is trusted here (name its issuer \
         with --cacert, or see --insecure)"
    )]
    UnknownIssuer,
    /// The certificate names a trusted issuer, whose key did not sign it.
    #[error(
        "the server's certificate was not signed by the issuer of that name that is trusted here (is --cacert the right one?)"
    )]
    WrongIssuer,
    /// The certificate is for other names.
    #[error("the server's certificate is for {presented}, not for {expected}")]
    WrongName {
        /// Who was asked for.
        expected: String,
        /// Whom the certificate names.
        presented: String,
    },
    /// The certificate is out of date.
    #[error("the server's certificate expired{}", ago(*days))]
    Expired {
        /// Since how many whole days, where that is known.
        days: Option<u64>,
    },
    /// The certificate is for later.
    #[error("the server's certificate is not valid yet (is the clock right?)")]
    NotValidYet,
    /// The certificate is not the one that was expected.
    #[error("the server's certificate has another fingerprint than the expected one")]
    WrongFingerprint,
    /// Something else is wrong with the certificate.
    #[error("the server's certificate is no good: {0}")]
    BadCertificate(String),
    /// What arrives is no TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// The peer speaks only versions that are not spoken here.
    #[error("no version of TLS in common (only 1.2 and 1.3 are spoken here)")]
    Version,
    /// The peer did not like something, and said so.
    #[error("the peer refused: {0}")]
    Refused(String),
    /// The connection ended before the handshake did.
    #[error("the peer ended the connection within the handshake")]
    Unfinished,
    /// The connection ended without the peer's word for it: something may be missing.
    #[error("the stream was cut off: it ended without a close_notify")]
    Truncated,
    /// The peer breaks the rules of TLS, or its bytes were changed on the way.
    #[error("TLS failed: {0}")]
    Broken(String),
}

fn ago(days: Option<u64>) -> String {
    match days {
        None => String::new(),
        Some(0) => " today".into(),
        Some(1) => " yesterday".into(),
        Some(days) => format!(" {days} days ago"),
    }
}

impl Fault {
    /// Whether it is the certificate that is not accepted.
    pub fn is_about_certificate(&self) -> bool {
        match self {
            Self::UnknownIssuer
            | Self::WrongIssuer
            | Self::WrongName { .. }
            | Self::Expired { .. }
            | Self::NotValidYet
            | Self::WrongFingerprint
            | Self::BadCertificate(_) => true,
            Self::NotTls
            | Self::Version
            | Self::Refused(_)
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
            Error::AlertReceived(alert) => Self::Refused(words(alert)),
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
                    0 => "no name at all".into(),
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
                Self::BadCertificate(
                    "a certificate of its chain is signed with an algorithm or on a curve that \
                     is not supported (P-521, SHA-1 and Ed448 are not)"
                        .into(),
                )
            }
            // The only verifier here that gives this verdict compares fingerprints.
            CertificateError::ApplicationVerificationFailure => Self::WrongFingerprint,
            other => Self::BadCertificate(other.to_string()),
        }
    }
}

fn days_between(from: UnixTime, to: UnixTime) -> u64 {
    to.as_secs().saturating_sub(from.as_secs()) / SECONDS_PER_DAY
}

/// A name from a certificate of an unknown peer, safe to show. rustls writes names as
/// `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let shown: String = inner.unwrap_or(name).trim_matches('"').chars().take(80).collect();
    shown.escape_debug().to_string()
}

/// The name of an alert as it reads inside a sentence: `BadCertificate` is "bad certificate".
fn words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}");
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
        }
        words.push(letter);
    }
    // `CA` stays what it is.
    words.split(' ').map(lowered).collect::<Vec<_>>().join(" ")
}

fn lowered(word: &str) -> String {
    if word.chars().all(char::is_uppercase) { word.into() } else { word.to_lowercase() }
}
