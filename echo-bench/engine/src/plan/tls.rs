//! How a run speaks TLS: [`TlsPlan`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::tls::{ClientIdentity, Fingerprint, IdentityError, ServerTrust};

/// TLS, as every connection of a run speaks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsPlan {
    /// Which servers are believed to be who they say.
    pub trust: Trust,
    /// Server name for SNI and certificate verification; null: the host of the target.
    pub server_name: Option<String>,
    /// Whether sessions are resumed where the server allows it; if not, every handshake is
    /// a full one.
    pub resume: bool,
    /// Client certificate, sent to a server that asks for one; missing: none. Its subject and key
    /// are not part of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// The files of a client certificate, as typed: a rerun reads them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// PEM file of the certificate and its issuers.
    pub certificate: String,
    /// PEM file of its private key.
    pub key: String,
}

impl ClientCertificate {
    /// Loads the files.
    pub(crate) fn load(&self) -> Result<ClientIdentity, IdentityError> {
        ClientIdentity::from_pem_files(self.certificate.as_ref(), self.key.as_ref())
    }
}

/// Which servers are believed to be who they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Trust {
    /// The embedded server, by the fingerprint that it told.
    Embedded,
    /// Those that the machine trusts.
    Platform,
    /// Those that the CA certificates of a PEM file verify.
    Issuers {
        /// The file.
        file: String,
    },
    /// Anyone: nobody was checked.
    Anyone,
}

impl Trust {
    /// The same for the transform; the embedded server's certificate has this fingerprint.
    pub(crate) fn of_servers(&self, embedded: Option<Fingerprint>) -> ServerTrust {
        match (self, embedded) {
            (Self::Embedded, Some(fingerprint)) => ServerTrust::Certificate(fingerprint),
            // A server that told no fingerprint is judged as any other.
            (Self::Embedded, None) | (Self::Platform, _) => ServerTrust::Platform,
            (Self::Issuers { file }, _) => ServerTrust::Issuers(file.into()),
            (Self::Anyone, _) => ServerTrust::Anyone,
        }
    }
}
