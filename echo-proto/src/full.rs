//! The reply of a server that has reached its connection limit, in each protocol:
//! [`ProtocolKind::server_full`]. `raw` has no error replies.

use crate::{ProtocolKind, http, postgres};

const TEXT: &str = "ERROR: server full";

impl ProtocolKind {
    /// The reply to a connection over the limit; empty where the protocol has no error replies.
    pub fn server_full(self) -> Vec<u8> {
        let frame = || {
            let length = u32::try_from(TEXT.len()).unwrap_or_default().to_be_bytes();
            [&length, TEXT.as_bytes()].concat()
        };
        match self {
            Self::Line | Self::Command => format!("{TEXT}\n").into_bytes(),
            Self::Frame => frame(),
            // The client has not used a stream yet.
            Self::Mux => [&[0; 4], &frame()[..]].concat(),
            Self::Resp => b"-ERR max number of clients reached\r\n".to_vec(),
            Self::Http => http::server_full(),
            Self::Postgres => postgres::server_full(),
            Self::Raw => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, Request};
    use strum::VariantArray as _;

    #[test]
    fn a_client_of_each_protocol_reads_the_refusal_as_one_whole_reply() {
        for &protocol in ProtocolKind::VARIANTS {
            let told = protocol.server_full();
            let (mut requester, mut seen) = (protocol.requester(1024), Vec::new());
            let each = |reply: crate::Reply<'_>| {
                seen.push((reply.outcome, reply.status, reply.body.to_vec()));
            };
            assert_eq!(requester.decode(&told, each), Ok(()), "{protocol}");
            assert_eq!(requester.partial(), b"", "{protocol}");
            let expected = match protocol {
                ProtocolKind::Raw => continue,
                ProtocolKind::Line | ProtocolKind::Command => {
                    (Outcome::Error, None, &b"server full"[..])
                }
                ProtocolKind::Frame | ProtocolKind::Mux => {
                    (Outcome::Echo, None, TEXT.as_bytes())
                }
                ProtocolKind::Resp => {
                    (Outcome::Error, None, &b"ERR max number of clients reached"[..])
                }
                ProtocolKind::Postgres => {
                    (Outcome::Error, None, &b"53300: sorry, too many clients already"[..])
                }
                ProtocolKind::Http => (Outcome::Error, Some(503), TEXT.as_bytes()),
            };
            assert_eq!(seen, [(expected.0, expected.1, expected.2.to_vec())], "{protocol}");
        }
    }

    #[test]
    fn http_says_503_and_that_the_connection_ends() {
        let told = String::from_utf8(ProtocolKind::Http.server_full()).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{told}");
        assert!(told.contains("\r\nConnection: close\r\n"), "{told}");
    }
}
