//! A TCP address as typed: [`HostAddress`]. Resolves names, connects to nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use super::{AddressError, canonical, unix};

/// The host of `:PORT`.
const ALL_INTERFACES: &str = "";

/// A syntactically valid host and port; the host is not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostAddress {
    /// Empty for all interfaces.
    host: String,
    port: u16,
}

impl FromStr for HostAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains("://") {
            return Err(AddressError::Url(text.to_owned()));
        }
        if text.starts_with(unix::PREFIX) {
            return Err(AddressError::NotTcp(text.to_owned()));
        }
        if is_path(text) {
            return Err(AddressError::Path(text.to_owned()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                ("127.0.0.1", text)
            }
            // An invalid port such as -5 or 1e4, rather than a host without port.
            None if is_number(text) => ("127.0.0.1", text),
            None => return Err(AddressError::NoPort(text.to_owned())),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let bare = bare.filter(|host| !host.is_empty());
        if bare.is_none() && host.contains(':') {
            return Err(AddressError::Brackets(text.to_owned()));
        }
        let port = port.parse().map_err(|_| AddressError::BadPort(port.to_owned()))?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

/// Numeric, so no lookup is needed.
impl From<SocketAddr> for HostAddress {
    fn from(address: SocketAddr) -> Self {
        let text = address.to_string();
        let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
        Self { host: host.trim_matches(['[', ']']).to_owned(), port: address.port() }
    }
}

fn is_path(text: &str) -> bool {
    ["/", "./", "../"].iter().any(|begin| text.starts_with(begin))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl HostAddress {
    /// The host as typed, without brackets; empty for [all
    /// interfaces](Self::is_all_interfaces).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it was typed as `:PORT`: every interface, in both address families.
    pub fn is_all_interfaces(&self) -> bool {
        self.host == ALL_INTERFACES
    }

    /// Whether the host is an IP address rather than a name, so that resolving it is
    /// deterministic.
    pub fn is_literal(&self) -> bool {
        self.is_all_interfaces() || self.host.parse::<IpAddr>().is_ok()
    }

    /// Resolves the host: all its socket addresses in the resolver's order, deduplicated and
    /// [canonical]; `[::]` for all interfaces.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if self.is_all_interfaces() {
            return Ok(vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port))]);
        }
        let mut found = Vec::new();
        for address in (self.host.as_str(), self.port).to_socket_addrs()?.map(canonical) {
            if !found.contains(&address) {
                found.push(address);
            }
        }
        if found.is_empty() {
            let reason = format!("{} has no address", self.host);
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        Ok(found)
    }

    /// This address as a connection target: "all interfaces" becomes loopback, IPv4 if both
    /// families are possible.
    #[must_use]
    pub fn as_target(mut self) -> Self {
        let loopback = match self.host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => IpAddr::from(Ipv4Addr::LOCALHOST),
            Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => IpAddr::from(Ipv6Addr::LOCALHOST),
            _ if self.is_all_interfaces() => IpAddr::from(Ipv4Addr::LOCALHOST),
            _ => return self,
        };
        self.host = loopback.to_string();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_people_type() {
        for (typed, shown) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:1", "localhost:1"),
            ("[::1]:9000", "[::1]:9000"),
            (":8080", ":8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(typed.parse::<HostAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn all_interfaces_are_reached_by_the_loopback() {
        for (typed, target) in [
            (":8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::ffff:0.0.0.0]:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("host:8080", "host:8080"),
        ] {
            let address = typed.parse::<HostAddress>().unwrap();
            assert_eq!(address.as_target().to_string(), target, "{typed}");
        }
    }

    #[test]
    fn addresses_are_canonical_and_no_lookup_gives_one_twice() {
        for (typed, found) in [
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("[::1]:80", "[::1]:80"),
            (":80", "[::]:80"),
        ] {
            let address = typed.parse::<HostAddress>().unwrap();
            assert!(address.is_literal(), "{typed}");
            assert_eq!(address.resolve().unwrap(), [found.parse().unwrap()], "{typed}");
        }
        assert!(!"localhost:80".parse::<HostAddress>().unwrap().is_literal());
        let scoped = "[fe80::1%7]:80".parse().unwrap();
        assert_eq!(canonical(scoped), scoped);
    }

    #[test]
    fn an_address_in_numbers_is_kept_with_its_zone() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%1]:80"] {
            let address = HostAddress::from(text.parse::<SocketAddr>().unwrap());
            assert_eq!(address, text.parse().unwrap());
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_address_and_says_why() {
        for (typed, why) in [
            ("localhost", "has no port"),
            ("", "has no port"),
            ("host:", "invalid port ``"),
            ("host:65536", "invalid port `65536`"),
            ("-5", "invalid port `-5`"),
            ("::1:80", "use brackets"),
            ("http://host:80/x", "is a URL"),
            ("unix:/run/x.sock", "is a unix-domain socket: use HOST:PORT here"),
            ("/run/x.sock", "is a path: write unix:/run/x.sock"),
        ] {
            let error = typed.parse::<HostAddress>().unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
        }
    }
}
