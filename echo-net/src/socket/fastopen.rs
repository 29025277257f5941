//! TCP Fast Open (RFC 7413): data in the SYN. The listener gives a cookie to each client that asks
//! for one; with it, the client's next connections need no handshake before the first request. Each
//! side also needs the permission of its system, which the kernel doesn't look at where the option
//! is set: [`is_server_allowed`].

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use super::{int_option, set_int_option};

/// Bits of the setting: clients may, servers may.
const SYSCTL: &str = "/proc/sys/net/ipv4/tcp_fastopen";
const SERVER: u32 = 2;

/// Connections that may wait at once for the end of a handshake whose SYN brought data: as many as
/// the system lets (the kernel lowers it to `net.core.somaxconn`).
const QUEUE: libc::c_int = libc::c_int::MAX;

/// Has a listener accept data in a SYN.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<()> {
    set_int_option(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, QUEUE)
}

/// Has `connect` return at once where there is a cookie, so that the first write sends the SYN.
pub(super) fn defer_connect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let set = set_int_option(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1);
    set.map_err(|error| match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => io::Error::new(
            io::ErrorKind::Unsupported,
            "TCP Fast Open is disabled for clients (try sysctl -w net.ipv4.tcp_fastopen=3)",
        ),
        _ => error,
    })
}

/// Whether the system lets servers accept data in a SYN, in the network namespace of this thread;
/// `None`: it doesn't say.
pub fn is_server_allowed() -> Option<bool> {
    let text = fs::read_to_string(SYSCTL).ok()?;
    Some(text.trim().parse::<u32>().ok()? & SERVER != 0)
}

/// Whether a listener accepts data in a SYN: it has the option, and the system lets it.
///
/// # Errors
/// When it is no TCP socket.
pub fn is_accepting(listener: BorrowedFd<'_>) -> io::Result<bool> {
    let queue = int_option(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN)?;
    Ok(queue > 0 && is_server_allowed() != Some(false))
}
