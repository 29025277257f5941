//! What may help against a connection that failed ([`Access::remedy`]): it names the flag that the
//! server, or this side, was not content with.

use std::error::Error as _;
use std::io;

use async_nats::{ConnectError, ConnectErrorKind, rustls};

use super::Access;

/// What helps where nobody answers.
pub(super) const NO_SERVER: &str =
    "is a NATS server running there? start one with `nats-server -js`";

const NO_CERTIFICATE: &str = "the server may require a client certificate: give --nats-cert and \
     --nats-key";
const OTHER_CERTIFICATE: &str = "does the server accept --nats-cert?";

impl Access {
    pub(super) fn remedy(&self, error: &ConnectError) -> String {
        match error.kind() {
            ConnectErrorKind::ServerParse => "write nats://HOST:PORT or tls://HOST:PORT".into(),
            ConnectErrorKind::Dns => "is the host in --nats right?".into(),
            ConnectErrorKind::Authentication if self.nkey.is_some() => {
                "--nats-nkey is to be a file with the seed of an NKey, which begins with SU"
                    .into()
            }
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                self.refused()
            }
            ConnectErrorKind::Tls => self.unusable_files().into(),
            ConnectErrorKind::TimedOut | ConnectErrorKind::MaxReconnects => NO_SERVER.into(),
            ConnectErrorKind::Io => self.broken(error).into(),
        }
    }

    /// The server lets nobody in with this.
    fn refused(&self) -> String {
        let given = [
            (self.credentials.is_some(), "--nats-creds"),
            (self.token.is_some(), "--nats-token-file"),
            (self.nkey.is_some(), "--nats-nkey"),
            (self.certificate.is_some(), "--nats-cert"),
            (self.url.contains('@'), "the user or the password in --nats"),
        ];
        let given: Vec<&str> =
            given.into_iter().filter_map(|(is_given, flag)| is_given.then_some(flag)).collect();
        if given.is_empty() {
            return "give --nats-creds, --nats-nkey, --nats-token-file, or \
                    nats://USER:PASSWORD@HOST"
                .into();
        }
        format!("the server refuses {}", given.join(" and "))
    }

    /// Files of certificates and keys that can be read and are none.
    fn unusable_files(&self) -> &'static str {
        match (&self.certificate, &self.cacert) {
            (Some(_), _) => "are --nats-cert and --nats-key a certificate and its key, in PEM?",
            (None, Some(_)) => "is --nats-cacert a file of certificates, in PEM?",
            (None, None) => "give --nats-cacert FILE with the server's CA",
        }
    }

    /// The connection broke off. Errors of TLS come as such, too.
    fn broken(&self, error: &ConnectError) -> &'static str {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let of_tls = cause
            .and_then(io::Error::get_ref)
            .and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let of_client =
            if self.certificate.is_some() { OTHER_CERTIFICATE } else { NO_CERTIFICATE };
        match of_tls {
            Some(rustls::Error::InvalidCertificate(_)) if self.cacert.is_some() => {
                "is --nats-cacert the CA of the server, and the host of --nats in its certificate?"
            }
            Some(rustls::Error::InvalidCertificate(_)) => {
                "give --nats-cacert FILE with the server's CA"
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                "does the server speak TLS? --nats-cacert, --nats-cert and tls:// require it"
            }
            Some(_) => of_client,
            // A server that refuses a certificate may hang up before its alert arrives.
            None if self.requires_tls() && has_hung_up(cause) => of_client,
            None => NO_SERVER,
        }
    }

    fn requires_tls(&self) -> bool {
        self.cacert.is_some() || self.certificate.is_some() || self.url.starts_with("tls://")
    }
}

/// Whether a server was there; an error without a cause is the end of the connection.
fn has_hung_up(cause: Option<&io::Error>) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    cause.is_none_or(|cause| {
        matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    })
}
