//! Where a connection goes: [`SocketAddress`], and the kind of its socket, [`Transport`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use socket2::{Domain, SockAddr, SockRef};

use super::unix::PREFIX;
use super::{UnixAddress, canonical};

/// The kind of a socket.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Transport {
    /// TCP, over IPv4 or IPv6.
    #[default]
    Tcp,
    /// A unix-domain stream socket: no network stack, no TCP options.
    Unix,
}

/// An address as the kernel takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The name of a unix-domain socket.
    Unix(UnixAddress),
}

/// Neither an IP address with a port nor the name of a unix-domain socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither IP:PORT nor unix:/PATH")]
pub struct InvalidSocketAddress(String);

impl SocketAddress {
    /// The address that a socket is bound to.
    ///
    /// # Errors
    /// When it is no socket, or of another family.
    pub fn of_local(socket: impl AsFd) -> io::Result<Self> {
        Self::from_kernel(&SockRef::from(&socket).local_addr()?)
    }

    /// The address that a socket is connected to.
    ///
    /// # Errors
    /// When it is not connected, or of another family.
    pub fn of_peer(socket: impl AsFd) -> io::Result<Self> {
        Self::from_kernel(&SockRef::from(&socket).peer_addr()?)
    }

    fn from_kernel(address: &SockAddr) -> io::Result<Self> {
        if let Some(tcp) = address.as_socket() {
            return Ok(Self::Tcp(canonical(tcp)));
        }
        UnixAddress::of(address).map(Self::Unix).ok_or_else(|| {
            io::Error::new(io::ErrorKind::Unsupported, "neither TCP nor a unix-domain socket")
        })
    }

    /// The same for the kernel.
    pub(crate) fn to_kernel(self) -> io::Result<SockAddr> {
        match self {
            Self::Tcp(address) => Ok(address.into()),
            Self::Unix(address) => address.to_kernel(),
        }
    }

    /// The family of its sockets.
    pub(crate) fn domain(&self) -> Domain {
        match self {
            Self::Tcp(address) => Domain::for_address(*address),
            Self::Unix(_) => Domain::UNIX,
        }
    }

    /// The kind of its sockets.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Unix(_) => Transport::Unix,
        }
    }

    /// The TCP address, if it is one.
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether nothing that is sent there leaves this machine: loopback, or a unix-domain socket.
    pub fn is_loopback(&self) -> bool {
        self.as_tcp().is_none_or(|address| address.ip().is_loopback())
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<UnixAddress> for SocketAddress {
    fn from(address: UnixAddress) -> Self {
        Self::Unix(address)
    }
}

impl FromStr for SocketAddress {
    type Err = InvalidSocketAddress;

    fn from_str(text: &str) -> Result<Self, InvalidSocketAddress> {
        let invalid = || InvalidSocketAddress(text.to_owned());
        if text.starts_with(PREFIX) {
            return text.parse().map(Self::Unix).map_err(|_| invalid());
        }
        text.parse().map(Self::Tcp).map_err(|_| invalid())
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

/// As text.
impl Serialize for SocketAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
