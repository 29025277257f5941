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
    #[error("`{0}` is no port (0 to 65535)")]
    BadPort(String),
    /// An IPv6 address without brackets is ambiguous.
    #[error("`{0}` looks like IPv6: write it in brackets, like [::1]:8080")]
    Brackets(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.rsplit_once(':') {
            Some(("", port)) => ("0.0.0.0", port),
            Some((host, port)) => (host, port),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                ("127.0.0.1", text)
            }
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
    fn refuses_what_is_no_address_and_says_why() {
        for (typed, why) in [
            ("localhost", "has no port"),
            ("", "has no port"),
            ("host:", "is no port"),
            ("host:65536", "is no port"),
            ("::1:80", "write it in brackets"),
        ] {
            let error = typed.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
        }
    }
}
