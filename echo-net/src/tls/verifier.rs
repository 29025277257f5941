//! Certificate verification beyond rustls' default: [`GivenIssuers`], of servers and clients, and
//! [`KnownCertificate`]. In every case the peer must prove possession of the certificate's key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    SignatureScheme,
};

use super::{Fingerprint, provider};

/// Why a certificate that nothing here can verify is refused.
pub(super) const UNSUPPORTED_SIGNATURE: &str = "a certificate of its chain is signed with an algorithm or on a curve that is not supported \
     (P-521, SHA-1 and Ed448 are not)";

/// The part of a verifier that does not depend on its side: a peer must prove that it has the
/// certificate's key.
macro_rules! verifies_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signed, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// Trusts certificates given by the user, and those that their issuers have signed.
///
/// Like the default verifier `V`, but a peer may also present one of them itself: `openssl req
/// -x509` generates CA certificates that are used as certificates of servers and clients.
#[derive(Debug)]
pub(super) struct GivenIssuers<V: ?Sized> {
    usual: Arc<V>,
    given: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl<V: ?Sized> GivenIssuers<V> {
    pub(super) fn new(usual: Arc<V>, given: Vec<CertificateDer<'static>>) -> Self {
        Self { usual, given, provider: provider() }
    }

    /// Whether `certificate` was refused only because no given one has issued it, and is a given
    /// one itself. Its validity dates and purpose were checked before that.
    fn is_given(&self, certificate: &CertificateDer<'_>, refused: &Error) -> bool {
        let lacks_an_issuer = match refused {
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => true,
            Error::InvalidCertificate(CertificateError::Other(reason)) => {
                is_issuer_itself(reason)
            }
            _ => false,
        };
        lacks_an_issuer && self.given.contains(certificate)
    }
}

/// Whether a certificate was refused only because it is a CA certificate. Its validity dates
/// were checked before that, and nothing else.
pub(super) fn is_issuer_itself(reason: &OtherError) -> bool {
    matches!(reason.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for GivenIssuers<WebPkiServerVerifier> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(certificate, issuers, name, ocsp_response, now) {
            Err(refused) if self.is_given(certificate, &refused) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    verifies_signatures!();
}

/// Of a server: requires a client certificate.
impl ClientCertVerifier for GivenIssuers<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.usual.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.usual.verify_client_cert(certificate, issuers, now) {
            Err(refused) if self.is_given(certificate, &refused) => {
                Ok(ClientCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    verifies_signatures!();
}

/// Accepts one certificate, or any, without further checks.
#[derive(Debug)]
pub(super) struct KnownCertificate {
    /// `None`: any.
    only: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl KnownCertificate {
    pub(super) fn new(only: Option<Fingerprint>) -> Self {
        Self { only, provider: provider() }
    }
}

impl ServerCertVerifier for KnownCertificate {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.only {
            Some(only) if only != Fingerprint::of_der(certificate) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    verifies_signatures!();
}
