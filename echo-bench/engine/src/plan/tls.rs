//! How a run speaks TLS: [`TlsPlan`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::tls::{Fingerprint, ServerTrust};

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
