//! Listening sockets of both kinds: [`Listener`], and [`listen_at`], which makes one for a
//! unix-domain socket and knows what to do about a file that is there already.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use socket2::{Domain, SockRef, Type};

use crate::address::{PeerAddress, SocketAddress, Transport};

mod file;

pub use file::{SocketFile, UnixBindError, listen_at};

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// Of TCP.
    Tcp(TcpListener),
    /// A unix-domain socket.
    Unix(UnixListener),
}

impl Listener {
    /// The kind of its connections.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Unix(_) => Transport::Unix,
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn local_address(&self) -> io::Result<SocketAddress> {
        SocketAddress::of_local(self)
    }

    /// One more descriptor of the same socket.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }

    /// Whether accepting returns at once if nobody waits.
    ///
    /// # Errors
    /// When the kernel does not want to.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_nonblocking(on)
    }

    /// The peer of a connection of this listener: what the kernel `said` when it was accepted, or
    /// the user of a unix-domain socket.
    pub(crate) fn peer(
        &self,
        socket: BorrowedFd<'_>,
        said: impl FnOnce() -> Option<std::net::SocketAddr>,
    ) -> PeerAddress {
        match self {
            Self::Tcp(_) => said().map_or(PeerAddress::GONE, |peer| {
                PeerAddress::Tcp(crate::address::canonical(peer))
            }),
            Self::Unix(_) => PeerAddress::of_unix(socket),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Of a socket that listens.
///
/// # Errors
/// When it is not one of TCP or a unix-domain stream socket, or does not listen.
impl TryFrom<OwnedFd> for Listener {
    type Error = &'static str;

    fn try_from(descriptor: OwnedFd) -> Result<Self, &'static str> {
        let socket = SockRef::from(&descriptor);
        let Ok(domain) = socket.domain() else { return Err("no socket") };
        let is_stream = socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        let is_tcp = [Domain::IPV4, Domain::IPV6].contains(&domain)
            && socket.protocol().is_ok_and(|it| it == Some(socket2::Protocol::TCP));
        let is_unix = domain == Domain::UNIX;
        if !is_stream || !(is_tcp || is_unix) {
            return Err("a socket of another kind");
        }
        if !socket.is_listener().unwrap_or(false) {
            return Err("a socket that does not listen");
        }
        Ok(if is_unix { Self::Unix(descriptor.into()) } else { Self::Tcp(descriptor.into()) })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}
