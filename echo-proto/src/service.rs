//! What a server offers: [`Service`], an echo [protocol](ProtocolKind) or the
//! [chat](crate::chat) room. Chat is not a [`ProtocolKind`], since its lines have no reply that
//! a requester could wait for.

use std::fmt;
use std::str::FromStr;

use strum::VariantArray;

use crate::ProtocolKind;

/// What a listener serves. Flags and reports use the displayed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Each message gets a reply.
    Echo(ProtocolKind),
    /// Lines are sent to the other members of a room.
    Chat,
}

const CHAT: &str = "chat";

const ALL: [Service; ProtocolKind::VARIANTS.len() + 1] = {
    let mut all = [Service::Chat; ProtocolKind::VARIANTS.len() + 1];
    let mut number = 0;
    while number < ProtocolKind::VARIANTS.len() {
        all[number] = Service::Echo(ProtocolKind::VARIANTS[number]);
        number += 1;
    }
    all
};

impl VariantArray for Service {
    const VARIANTS: &'static [Self] = &ALL;
}

impl Service {
    /// Whether this is a chat room.
    pub fn is_chat(self) -> bool {
        self == Self::Chat
    }

    /// The framing of its byte stream.
    pub fn framing(self) -> ProtocolKind {
        match self {
            Self::Echo(protocol) => protocol,
            Self::Chat => ProtocolKind::Line,
        }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::Echo(ProtocolKind::default())
    }
}

impl From<ProtocolKind> for Service {
    fn from(protocol: ProtocolKind) -> Self {
        Self::Echo(protocol)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(protocol) => protocol.fmt(f),
            Self::Chat => f.pad(CHAT),
        }
    }
}

impl FromStr for Service {
    type Err = <ProtocolKind as FromStr>::Err;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == CHAT { Ok(Self::Chat) } else { name.parse().map(Self::Echo) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_a_name_of_its_own_that_reads_back() {
        let mut names: Vec<String> =
            Service::VARIANTS.iter().map(ToString::to_string).collect();
        for (service, name) in Service::VARIANTS.iter().zip(&names) {
            assert_eq!(name.parse(), Ok(*service));
        }
        assert!(names.iter().any(|name| name == "chat"));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Service::VARIANTS.len());
    }
}
