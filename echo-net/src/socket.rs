//! Socket options and the making of sockets: [`SocketOptions`], [`listen`],
//! [`ConnectOptions`]. What the kernel really granted can be read back.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

/// Options of a connection, set before it carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Set TCP_NODELAY: disable Nagle's algorithm (RFC 896).
    pub nodelay: bool,
    /// Kernel send buffer in bytes as asked; Linux doubles it. `None`: the system's.
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer in bytes as asked; Linux doubles it. `None`: the system's.
    pub recv_buffer: Option<usize>,
    /// Idle time before the first keepalive probe; `None`: no probes.
    pub keepalive: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, send_buffer: None, recv_buffer: None, keepalive: None }
    }
}

impl SocketOptions {
    /// Sets them on a socket. Buffer sizes belong on the listener too: the window scale is
    /// agreed on before `accept` returns.
    pub fn apply(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = SockRef::from(&socket);
        self.apply_buffers(&socket)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        if let Some(idle) = self.keepalive {
            let probes = TcpKeepalive::new().with_time(idle).with_interval(idle / 6);
            socket.set_tcp_keepalive(&probes.with_retries(3))?;
        }
        Ok(())
    }

    fn apply_buffers(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }
}

/// The kernel's actual buffer sizes of a socket in bytes: (send, receive).
pub fn buffer_sizes(socket: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    let socket = SockRef::from(&socket);
    Ok((socket.send_buffer_size()?, socket.recv_buffer_size()?))
}

/// A bound and listening socket, non-blocking. `[::]` listens on IPv4 too (dual-stack),
/// whatever the system's default (`net.ipv6.bindv6only`).
///
/// `SO_REUSEADDR` is always set, so that a restart can bind at once; `reuse_port` lets
/// several listeners share the port.
pub fn listen(
    address: SocketAddr,
    backlog: u32,
    reuse_port: bool,
    options: &SocketOptions,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    options.apply_buffers(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Where and how to connect.
#[derive(Debug, Clone, Copy)]
pub struct ConnectOptions {
    /// The peer.
    pub target: SocketAddr,
    /// The address to connect from; the port is left to the kernel.
    pub source: Option<IpAddr>,
    /// Options of the new socket.
    pub socket: SocketOptions,
    /// Whether the kernel is to stamp what is received, where it can: see
    /// [`Reactor::arrival`](crate::reactor::Reactor::arrival).
    pub stamps: bool,
}

/// Whether a failed `bind` says that this machine does not have the address, or not even its
/// family.
pub fn is_address_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Whether this is an address of this machine, whatever its port, so that a connection to it
/// stays here.
pub fn is_own(mut address: SocketAddr) -> bool {
    // The kernel lets a socket be bound to its own addresses only; no port is taken, since a
    // datagram socket shares none with a stream.
    address.set_port(0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None);
    socket.is_ok_and(|socket| socket.bind(&address.into()).is_ok())
}

/// Whether a failed `accept` lies with the peer of that one connection (accept(2) passes on
/// its network errors): the next one may be accepted at once.
pub fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}

/// Why a socket reports an error or a hang-up.
pub(crate) fn broken_by(socket: BorrowedFd<'_>) -> io::Error {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(Err(error)) | Err(error) => error.into(),
        Ok(Ok(())) => io::ErrorKind::ConnectionReset.into(),
    }
}

/// One `send` of what a non-blocking socket takes of `bytes`.
pub(crate) fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// A non-blocking socket whose connection has been begun; it is made once the socket
/// becomes writable without an error.
pub fn begin_connect(options: &ConnectOptions) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(options.target), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    options.socket.apply(socket.as_fd())?;
    if let Some(source) = options.source {
        // Without this, bind() reserves a port for the source alone and exhausts the range
        // long before the (source, destination) pairs are used up.
        set_int_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&options.target.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// For options that no safe crate knows.
#[expect(unsafe_code, reason = "setsockopt of these options is in no safe crate")]
pub(crate) fn set_int_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call, and the
    // descriptor is open for as long as it is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The outcome of a connection that was begun, once its socket is writable.
///
/// # Errors
/// The reason of the failure. A connection of a socket to itself counts as refused: on
/// loopback, a port of the ephemeral range that nobody listens on can be chosen as the
/// source port of a connection to it, and TCP's simultaneous open (RFC 9293 section 3.5)
/// then joins the socket to itself. A byte echo would seem to work.
pub fn finish_connect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let socket = SockRef::from(&socket);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    if socket.local_addr()?.as_socket() == socket.peer_addr()?.as_socket() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "the socket was connected to itself: nothing listens there",
        ));
    }
    Ok(())
}
