//! Who has connected: [`PeerAddress`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use super::{Transport, credentials};

/// The peer of an accepted connection. A client of a unix-domain socket has no name of its own; it
/// is known by its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// Its address, [canonical](super::canonical).
    Tcp(SocketAddr),
    /// Its user id when it connected (`SO_PEERCRED`); `None` if the kernel does not say.
    Unix(Option<u32>),
}

impl PeerAddress {
    /// A TCP peer that has disconnected before its address could be read.
    pub const GONE: Self = Self::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

    /// The peer of a unix-domain socket.
    pub fn of_unix(socket: BorrowedFd<'_>) -> Self {
        Self::Unix(credentials::user_of_peer(socket).ok())
    }

    /// The kind of the connection.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Unix(_) => Transport::Unix,
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(user)) => write!(f, "unix:uid={user}"),
            Self::Unix(None) => f.write_str("unix:uid=?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_unix_peer_is_known_by_its_user() {
        let (near, _far) = UnixStream::pair().unwrap();
        let own = rustix::process::getuid().as_raw();
        let peer = PeerAddress::of_unix(near.as_fd());
        assert_eq!(peer, PeerAddress::Unix(Some(own)));
        assert_eq!(peer.to_string(), format!("unix:uid={own}"));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(PeerAddress::of_unix(file.as_fd()).to_string(), "unix:uid=?");
    }
}
