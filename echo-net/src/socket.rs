//! Socket options and socket creation: [`SocketOptions`], [`listen`], [`ConnectOptions`]. The
//! effective values can be read back: [`EffectiveOptions`].

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::address::{SocketAddress, Transport};
use crate::tcp_info;

mod congestion;
mod effective;
pub mod fastopen;
mod tcp_options;
#[cfg(test)]
mod tests;

pub use congestion::{CongestionControl, CongestionError, InvalidCongestionControl};
pub use effective::{Changed, EffectiveOptions};
pub use tcp_options::TcpOptions;
pub(crate) use tcp_options::set_quickack;
use tcp_options::tos_of;

/// Options of a connection, set before it carries data. A unix-domain socket has buffers and none of
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Set TCP_NODELAY: disable Nagle's algorithm (RFC 896).
    pub nodelay: bool,
    /// Kernel send buffer (SO_SNDBUF) in bytes as requested; Linux doubles it. `None`: system
    /// default.
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer (SO_RCVBUF) in bytes as requested; Linux doubles it. `None`:
    /// system default.
    pub recv_buffer: Option<usize>,
    /// Idle time before the first keepalive probe; `None`: no probes.
    pub keepalive: Option<Duration>,
    /// Further options of TCP.
    pub tcp: TcpOptions,
}

/// The kernel takes a C integer, and lowers it to its own limit (`net.core.wmem_max`, `rmem_max`).
const LARGEST_BUFFER: usize = i32::MAX as usize;

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            send_buffer: None,
            recv_buffer: None,
            keepalive: None,
            tcp: TcpOptions::default(),
        }
    }
}

impl SocketOptions {
    /// Sets them on a connection that was made.
    pub fn apply(&self, socket: BorrowedFd<'_>, transport: Transport) -> io::Result<()> {
        match transport {
            Transport::Tcp => {
                self.apply_unconnected(socket, transport)?;
                self.apply_accepted(socket, transport)
            }
            Transport::Unix => self.apply_buffers(&SockRef::from(&socket)),
        }
    }

    /// Sets on an accepted connection what it has not inherited from its
    /// [listener](Self::apply_to_listener): no system call unless that was asked for.
    pub fn apply_accepted(
        &self,
        socket: BorrowedFd<'_>,
        transport: Transport,
    ) -> io::Result<()> {
        match (transport, self.tcp.quickack) {
            // Before the handshake is over, this would delay its last segment.
            (Transport::Tcp, Some(on)) => set_quickack(socket, on),
            (Transport::Tcp, None) => Ok(()),
            // These inherit nothing.
            (Transport::Unix, _) => self.apply_buffers(&SockRef::from(&socket)),
        }
    }

    /// Sets those that make sense before a socket is connected.
    fn apply_unconnected(
        &self,
        socket: BorrowedFd<'_>,
        transport: Transport,
    ) -> io::Result<()> {
        let options = SockRef::from(&socket);
        self.apply_buffers(&options)?;
        if transport == Transport::Unix {
            return Ok(());
        }
        self.tcp.apply(socket)?;
        options.set_tcp_nodelay(self.nodelay)?;
        if let Some(idle) = self.keepalive {
            let probes = TcpKeepalive::new().with_time(idle).with_interval(idle / 6);
            options.set_tcp_keepalive(&probes.with_retries(3))?;
        }
        Ok(())
    }

    /// Sets those that the connections of a listener inherit (Linux copies its socket), which are
    /// all but quick acknowledgements, and those that a listener itself needs. What the handshake needs could not be set later: the window
    /// scale, which depends on the buffers, is negotiated before `accept` returns, and the first
    /// segments are marked and paced, too. Of a unix-domain listener nothing is inherited.
    ///
    /// What was established before this call has inherited none, even if it is accepted later:
    /// Linux copies when the handshake completes. Two settings of the system take precedence over
    /// the listener: with `net.ipv4.tcp_reflect_tos` a connection has its peer's type of service,
    /// and by a route with `congctl` that congestion control.
    pub fn apply_to_listener(
        &self,
        listener: BorrowedFd<'_>,
        transport: Transport,
    ) -> io::Result<()> {
        self.apply_unconnected(listener, transport)?;
        if transport == Transport::Tcp && self.tcp.fastopen == Some(true) {
            fastopen::accept(listener)?;
        }
        Ok(())
    }

    fn apply_buffers(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes.min(LARGEST_BUFFER))?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes.min(LARGEST_BUFFER))?;
        }
        Ok(())
    }
}

/// Creates a bound, listening, non-blocking socket. `[::]` also listens on IPv4 (dual-stack),
/// whatever the system default (`net.ipv6.bindv6only`).
///
/// `SO_REUSEADDR` is always set, so that a restart can bind at once; `reuse_port` lets several
/// listeners share the port.
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
    options.apply_to_listener(socket.as_fd(), Transport::Tcp)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Target and options of a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectOptions {
    /// The peer.
    pub target: SocketAddress,
    /// The source address of a TCP connection; the port is chosen by the kernel.
    pub source: Option<IpAddr>,
    /// Options of the new socket.
    pub socket: SocketOptions,
    /// Whether the kernel is to stamp what is received, where it can: see
    /// [`Reactor::arrival`](crate::reactor::Reactor::arrival).
    pub stamps: bool,
}

/// Makes the close of `socket` a reset (RFC 9293 3.10.4, ABORT): the kernel discards what was
/// not sent, and the peer sees an error in place of an end that looks complete. Of no effect on a
/// unix-domain socket, whose peer sees an error only if input was left unread.
///
/// # Errors
/// When the socket is not one.
pub fn reset_on_close(socket: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))
}

/// Whether a failed `bind` means that this machine does not have the address or its family.
pub fn is_address_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Whether this is an address of this machine, whatever its port, so that a connection to it is
/// local.
pub fn is_own(mut address: SocketAddr) -> bool {
    // A socket can be bound to local addresses only; no TCP port is used, since a datagram
    // socket has its own port space.
    address.set_port(0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None);
    socket.is_ok_and(|socket| socket.bind(&address.into()).is_ok())
}

/// Whether this machine has an address from which it can send to `target`. A failed `connect`
/// says `EADDRNOTAVAIL` both without one and when no local port is left.
pub fn has_source_address(target: SocketAddr) -> bool {
    // A datagram socket has its own port space, and sends nothing to connect.
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM, None);
    socket.is_ok_and(|socket| socket.connect(&target.into()).is_ok())
}

/// Whether a failed `accept` was caused by the peer of that connection (accept(2) passes on its
/// network errors), so that the next one may be accepted at once.
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

/// The pending error (SO_ERROR) of a socket that reports an error or a hang-up.
pub(crate) fn broken_by(socket: BorrowedFd<'_>) -> io::Error {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(Err(error)) | Err(error) => error.into(),
        Ok(Ok(())) => io::ErrorKind::ConnectionReset.into(),
    }
}

/// A single non-blocking `send`; returns the bytes accepted.
pub(crate) fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        // Of a connection by TCP Fast Open whose cookie is gone since `connect`: the SYN was sent
        // without data.
        Err(rustix::io::Errno::INPROGRESS) => Err(io::ErrorKind::WouldBlock.into()),
        sent => Ok(sent?),
    }
}

/// A non-blocking socket with a connection in progress; it is established once the socket
/// becomes writable without an error. With [TCP Fast Open](fastopen) it may become so before its
/// SYN is sent, which the first write does.
///
/// # Errors
/// Also [`WouldBlock`](io::ErrorKind::WouldBlock) while the backlog of a unix-domain listener is
/// full: the kernel does not wait for it, and the connection has to be tried again.
pub fn begin_connect(options: &ConnectOptions) -> io::Result<OwnedFd> {
    let target = options.target;
    let socket = Socket::new(target.domain(), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    options.socket.apply_unconnected(socket.as_fd(), target.transport())?;
    if let (Some(source), Transport::Tcp) = (options.source, target.transport()) {
        // Otherwise bind() reserves a port for the source alone, which exhausts the range long
        // before the (source, destination) pairs are used up.
        set_int_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    if let SocketAddress::Unix(address) = target
        && address.is_any()
    {
        let reason = "unix:@ is a free name for a server to listen at, and names none";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let opens_fast =
        options.socket.tcp.fastopen == Some(true) && target.transport() == Transport::Tcp;
    if opens_fast {
        fastopen::defer_connect(socket.as_fd())?;
    }
    match socket.connect(&target.to_kernel()?) {
        // The ports are known already, the peer's not yet to `finish_connect`.
        Ok(()) if opens_fast && socket.local_addr()?.as_socket() == target.as_tcp() => {
            return Err(self_connected());
        }
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// For options that no safe crate supports.
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

/// The value of such an option.
#[expect(unsafe_code, reason = "getsockopt of these options is in no safe crate")]
fn int_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call, and the
    // descriptor is open for as long as it is borrowed.
    let result = unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, value, &raw mut length)
    };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// The result of a non-blocking connect, once the socket is writable.
///
/// # Errors
/// The reason of the failure. A socket connected to itself counts as refused: on loopback, an
/// ephemeral port without listener can be chosen as the source port of a connection to it, and
/// TCP's simultaneous open (RFC 9293 section 3.5) then connects the socket to itself. A byte
/// echo would seem to work.
pub fn finish_connect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let options = SockRef::from(&socket);
    if let Some(error) = options.take_error()? {
        return Err(error);
    }
    let local = options.local_addr()?.as_socket();
    if local.is_none() {
        return Ok(());
    }
    match options.peer_addr() {
        Ok(peer) if local == peer.as_socket() => Err(self_connected()),
        Ok(_) => Ok(()),
        // By TCP Fast Open: the first write sends the SYN. `begin_connect` has compared the ends.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            let is_deferred = tcp_info::read(socket)?.is_connecting;
            if is_deferred { Ok(()) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

fn self_connected() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "the socket was connected to itself: nothing listens there",
    )
}
