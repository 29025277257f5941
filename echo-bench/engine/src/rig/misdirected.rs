//! A server that speaks something else than the plan says, or refuses the client certificate:
//! [`Misdirected`]. No load can be put on it, and a run would show nothing but failures until its
//! end. Judged by the first bytes that the server says, and never by silence: that may be a slow
//! server.

use echo_net::address::SocketAddress;
use echo_net::tls::ClientRefusal;
use echo_proto::{Opening, Service};

use crate::plan::{MessagePlan, Plan};

/// What such a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misdirected {
    address: SocketAddress,
    speaks: Speaks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Tls,
    /// TLS with client certificates, and not with ours.
    Refuses(ClientRefusal),
    /// Another protocol; with what it began and what was expected.
    Other {
        service: Service,
        expected: Service,
        opening: Opening,
    },
}

impl Misdirected {
    /// A server that answers plaintext with a TLS alert.
    pub(super) fn tls(address: SocketAddress) -> Self {
        Self { address, speaks: Speaks::Tls }
    }

    /// A server that refuses our certificate, or that we have none.
    pub(super) fn refusing(address: SocketAddress, refusal: ClientRefusal) -> Self {
        Self { address, speaks: Speaks::Refuses(refusal) }
    }

    /// What the `opening` of a server tells of it, unless a message of the plan begins so: then
    /// it may be an echo.
    pub(super) fn other(address: SocketAddress, plan: &Plan, opening: Opening) -> Option<Self> {
        let expected = plan.service();
        let service = opening.unlike(expected).filter(|_| !begins_a_message(plan, opening))?;
        Some(Self { address, speaks: Speaks::Other { service, expected, opening } })
    }
}

/// Generated messages begin with a stamp, as no protocol does.
fn begins_a_message(plan: &Plan, opening: Opening) -> bool {
    let MessagePlan::Given { texts, .. } = &plan.messages else { return false };
    texts.iter().any(|text| {
        let same =
            text.iter().copied().zip(opening.bytes()).take_while(|(a, b)| a == *b).count();
        same > 0 && same == text.len().min(opening.bytes().len())
    })
}

impl std::fmt::Display for Misdirected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.address;
        match self.speaks {
            Speaks::Tls => write!(f, "{address}: the server seems to speak TLS (try --tls)"),
            Speaks::Refuses(refusal) => write!(f, "{address}: {refusal}"),
            Speaks::Other { service, expected, opening } => write!(
                f,
                "{address}: the server speaks {service}, not {expected}: it answered `{opening}` \
                 (try --protocol {service})"
            ),
        }
    }
}
