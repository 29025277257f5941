//! A server that speaks something else than the plan says: [`Misdirected`]. No load can be put
//! on it, and a run would show nothing but failures until its end. Judged by the first bytes
//! that the server says, and never by silence: that may be a slow server.

use std::net::SocketAddr;

use echo_proto::{Opening, Service};

use crate::plan::Plan;

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misdirected {
    address: SocketAddr,
    speaks: Speaks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Tls,
    /// Another protocol; with what it began and what was expected.
    Other {
        service: Service,
        expected: Service,
        opening: Opening,
    },
}

impl Misdirected {
    /// A server that answers plaintext with a TLS alert.
    pub(super) fn tls(address: SocketAddr) -> Self {
        Self { address, speaks: Speaks::Tls }
    }

    /// What the `opening` of a server tells of it. To be told from the echo of a message that
    /// begins so.
    pub(super) fn other(address: SocketAddr, plan: &Plan, opening: Opening) -> Option<Self> {
        let expected = plan.service();
        let service = opening.unlike(expected)?;
        Some(Self { address, speaks: Speaks::Other { service, expected, opening } })
    }
}

impl std::fmt::Display for Misdirected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.address;
        match self.speaks {
            Speaks::Tls => write!(f, "{address}: the server seems to speak TLS (try --tls)"),
            Speaks::Other { service, expected, opening } => write!(
                f,
                "{address}: the server speaks {service}, not {expected}: it answered `{opening}` \
                 (try --protocol {service})"
            ),
        }
    }
}
