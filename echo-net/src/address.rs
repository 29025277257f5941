//! Addresses of both kinds that a connection may go to: TCP and unix-domain sockets.
//!
//! [`Address`] is what a user types, [`SocketAddress`] what the kernel takes, [`PeerAddress`] who
//! has connected. [`canonical`] is the form in which TCP addresses are compared, sent and
//! displayed. Opens no socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

mod credentials;
mod host;
mod peer;
mod socket;
mod unix;

pub use host::HostAddress;
pub use peer::PeerAddress;
pub use socket::{SocketAddress, Transport};
pub use unix::{InvalidUnixAddress, UnixAddress};

/// Maps an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), which a dual-stack socket
/// reports for IPv4 peers, to IPv4; other addresses are unchanged.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        // Unchanged, since it may have a scope.
        IpAddr::V6(_) => address,
    }
}

/// An address as typed on a command line: `host:port`, `[::1]:port`, `:port` (all interfaces), a
/// bare `port` (loopback), `unix:/path` or, in Linux's abstract namespace, `unix:@name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host and port.
    Tcp(HostAddress),
    /// A unix-domain socket.
    Unix(UnixAddress),
}

/// Invalid address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No port at the end.
    #[error("`{0}` has no port (use HOST:PORT, [IPv6]:PORT, :PORT or PORT)")]
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("invalid port `{0}` (0 to 65535)")]
    BadPort(String),
    /// A URL where an address is expected.
    #[error("`{0}` is a URL: use HOST:PORT here")]
    Url(String),
    /// A path that does not say what it is.
    #[error("`{0}` is a path: write unix:{0} for a unix-domain socket, else HOST:PORT")]
    Path(String),
    /// A unix-domain socket where only TCP will do.
    #[error("`{0}` is a unix-domain socket: use HOST:PORT here")]
    NotTcp(String),
    /// A name that no unix-domain socket can have.
    #[error(transparent)]
    Unix(#[from] InvalidUnixAddress),
    /// An IPv6 address without brackets is ambiguous.
    #[error("`{0}` looks like IPv6: use brackets, like [::1]:8080")]
    Brackets(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with(unix::PREFIX) && !text.contains("://") {
            return Ok(Self::Unix(text.parse()?));
        }
        text.parse().map(Self::Tcp)
    }
}

impl From<HostAddress> for Address {
    fn from(address: HostAddress) -> Self {
        Self::Tcp(address)
    }
}

/// Numeric, so no lookup is needed.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.into())
    }
}

/// The same.
impl From<SocketAddress> for Address {
    fn from(address: SocketAddress) -> Self {
        match address {
            SocketAddress::Tcp(address) => address.into(),
            SocketAddress::Unix(address) => Self::Unix(address),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

impl Address {
    /// The kind of socket.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Unix(_) => Transport::Unix,
        }
    }

    /// The TCP address, if it is one.
    pub fn as_tcp(&self) -> Option<&HostAddress> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix(_) => None,
        }
    }

    /// The unix-domain socket, if it is one.
    pub fn as_unix(&self) -> Option<&UnixAddress> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(address) => Some(address),
        }
    }

    /// The name by which its host is known to TLS and HTTP: `localhost` for a unix-domain socket,
    /// whose server is on this machine.
    pub fn host(&self) -> &str {
        self.as_tcp().map_or("localhost", HostAddress::host)
    }

    /// The port by which its host is known to HTTP: of a unix-domain socket the usual one, which is
    /// not said.
    pub fn http_port(&self, tls: bool) -> u16 {
        self.as_tcp().map_or(if tls { 443 } else { 80 }, HostAddress::port)
    }

    /// Whether it is known without a lookup.
    pub fn is_literal(&self) -> bool {
        self.as_tcp().is_none_or(HostAddress::is_literal)
    }

    /// Where connections go: all addresses of a host as [`HostAddress::resolve`] finds them.
    ///
    /// # Errors
    /// Those of the resolver.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddress>> {
        match self {
            Self::Tcp(host) => {
                Ok(host.resolve()?.into_iter().map(SocketAddress::Tcp).collect())
            }
            Self::Unix(address) => Ok(vec![SocketAddress::Unix(*address)]),
        }
    }

    /// This address as a connection target: see [`HostAddress::as_target`].
    #[must_use]
    pub fn as_target(self) -> Self {
        match self {
            Self::Tcp(address) => Self::Tcp(address.as_target()),
            Self::Unix(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_is_told_by_how_it_begins() {
        for (typed, transport, host) in [
            ("127.0.0.1:80", Transport::Tcp, "127.0.0.1"),
            ("unix:80", Transport::Unix, "localhost"),
            ("unix:/run/x.sock", Transport::Unix, "localhost"),
            ("unix:@name", Transport::Unix, "localhost"),
        ] {
            let address = typed.parse::<Address>().unwrap();
            assert_eq!((address.transport(), address.host()), (transport, host), "{typed}");
            assert_eq!(address.to_string(), typed);
            assert!(address.is_literal(), "{typed}");
            let resolved = address.resolve().unwrap();
            assert_eq!(resolved.len(), 1);
            assert_eq!(Address::from(resolved[0]), address);
            assert_eq!(typed.parse::<SocketAddress>().unwrap(), resolved[0]);
        }
        for (typed, why) in [
            ("/run/x.sock", "write unix:/run/x.sock"),
            ("unix:", "names no socket"),
            ("unix://run/x", "is a URL"),
        ] {
            let error = typed.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_back(
            text in "(unix:@?[^\\x00]{0,120}|[a-z0-9.\\[\\]:]{0,20}|.{0,20})",
        ) {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
