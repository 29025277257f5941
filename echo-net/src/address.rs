//! Addresses as people type them: `host:port`, `[::1]:port`, `:port` (all interfaces, as
//! in the origin document) or a bare `port` (loopback).

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// A host and a port that have the right shape; the host is not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No port at its end.
    #[error("`{0}` has no port (write HOST:PORT, [IPv6]:PORT, :PORT or PORT)")]
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("invalid port `{0}` (0 to 65535)")]
    BadPort(String),
    /// A URL, where only an address makes sense.
    #[error("`{0}` is a URL: write HOST:PORT here")]
    Url(String),
    /// The path of a socket in the file system.
    #[error("`{0}`: unix-domain sockets are not supported yet (write HOST:PORT)")]
    Path(String),
    /// An IPv6 address without brackets is ambiguous.
    #[error("`{0}` looks like IPv6: write it in brackets, like [::1]:8080")]
    Brackets(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains("://") {
            return Err(AddressError::Url(text.to_owned()));
        }
        if ["unix:", "/", "./", "../"].iter().any(|begin| text.starts_with(begin)) {
            return Err(AddressError::Path(text.to_owned()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some(("", port)) => ("0.0.0.0", port),
            Some((host, port)) => (host, port),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                ("127.0.0.1", text)
            }
            // A port that is none, like -5 or 1e4, and not a host without one.
            None if is_number(text) => ("", text),
            None => return Err(AddressError::NoPort(text.to_owned())),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(AddressError::Brackets(text.to_owned()));
        }
        let port = port.parse().map_err(|_| AddressError::BadPort(port.to_owned()))?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

/// In numbers, so that nothing is looked up.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let text = address.to_string();
        let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
        Self { host: host.trim_matches(['[', ']']).to_owned(), port: address.port() }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    /// The host as typed, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every socket address that the host stands for, in the resolver's order.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        if found.is_empty() {
            let reason = format!("{} has no address", self.host);
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        Ok(found)
    }

    /// This address as the target of a connection: "all interfaces" means loopback.
    #[must_use]
    pub fn as_target(mut self) -> Self {
        if self.host == Ipv4Addr::UNSPECIFIED.to_string() {
            self.host = Ipv4Addr::LOCALHOST.to_string();
        }
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
            (":8080", "0.0.0.0:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(typed.parse::<Address>().unwrap().to_string(), shown);
        }
        assert_eq!(
            ":8080".parse::<Address>().unwrap().as_target().to_string(),
            "127.0.0.1:8080"
        );
    }

    #[test]
    fn an_address_in_numbers_is_kept_with_its_zone() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%1]:80"] {
            let address = Address::from(text.parse::<SocketAddr>().unwrap());
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
            ("::1:80", "write it in brackets"),
            ("http://host:80/x", "is a URL"),
            ("unix:/run/x.sock", "unix-domain sockets are not supported yet"),
            ("/run/x.sock", "unix-domain sockets are not supported yet"),
        ] {
            let error = typed.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
        }
    }
}
