//! Options of TCP beyond Nagle and buffers: [`TcpOptions`]. Each is left as the system has it
//! unless it is set.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;
use socket2::{Domain, SockRef};

use super::CongestionControl;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Congestion control (`TCP_CONGESTION`).
    pub congestion: Option<CongestionControl>,
    /// Whether to acknowledge at once (`TCP_QUICKACK`) or with a delay. The kernel goes on from
    /// there by its own rules (tcp(7)).
    pub quickack: Option<bool>,
    /// Most bytes that are queued without being sent (`TCP_NOTSENT_LOWAT`).
    pub notsent_lowat: Option<u32>,
    /// How long sent data may remain unacknowledged (`TCP_USER_TIMEOUT`, RFC 5482), in whole
    /// milliseconds; zero: the system's.
    pub user_timeout: Option<Duration>,
    /// Type of service (`IP_TOS`) or traffic class (`IPV6_TCLASS`). The two lowest bits are the
    /// kernel's.
    pub tos: Option<u8>,
    /// Whether data may come in the SYN ([TCP Fast Open](super::fastopen)): of a listener, and of a
    /// socket that connects. `Some(false)` is as without it.
    pub fastopen: Option<bool>,
}

impl TcpOptions {
    /// All as the system has them.
    pub const SYSTEM: Self = Self {
        congestion: None,
        quickack: None,
        notsent_lowat: None,
        user_timeout: None,
        tos: None,
        fastopen: None,
    };

    /// Sets them, but for quick acknowledgements and fast open, on a socket in any state.
    pub(super) fn apply(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if let Some(congestion) = self.congestion {
            congestion.set_on(socket)?;
        }
        if let Some(bytes) = self.notsent_lowat {
            SockRef::from(&socket).set_tcp_notsent_lowat(bytes)?;
        }
        if let Some(timeout) = self.user_timeout {
            let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(socket, ms)?;
        }
        if let Some(tos) = self.tos {
            set_tos(socket, tos)?;
        }
        Ok(())
    }
}

/// Has a connection acknowledge at once, or with a delay, until the kernel thinks otherwise.
pub(crate) fn set_quickack(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(sockopt::set_tcp_quickack(socket, on)?)
}

fn is_ipv6(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(SockRef::from(&socket).domain()? == Domain::IPV6)
}

fn set_tos(socket: BorrowedFd<'_>, tos: u8) -> io::Result<()> {
    if is_ipv6(socket)? {
        sockopt::set_ipv6_tclass(socket, tos.into())?;
    }
    // Also of an IPv6 socket, whose peer may be an IPv4 address.
    Ok(sockopt::set_ip_tos(socket, tos)?)
}

/// The type of service, or the traffic class, of a socket.
pub(super) fn tos_of(socket: BorrowedFd<'_>) -> io::Result<u8> {
    if is_ipv6(socket)? {
        return Ok(sockopt::ipv6_tclass(socket)? as u8);
    }
    Ok(sockopt::ip_tos(socket)?)
}
