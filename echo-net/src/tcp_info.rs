//! Kernel statistics of a connection: [`TcpInfo`], from `getsockopt(TCP_INFO)`.

#![expect(unsafe_code, reason = "no safe crate reads TCP_INFO")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Statistics of one connection since it was established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpInfo {
    /// Whether our FIN was sent and is not acknowledged yet (FIN-WAIT-1, RFC 9293 3.3.2).
    pub end_unacknowledged: bool,
    /// Whether the peer's FIN has arrived (CLOSE-WAIT), with all bytes before it.
    pub peer_ended: bool,
    /// Retransmitted segments.
    pub retransmits: u64,
    /// Smoothed round-trip time in microseconds.
    pub rtt_us: u32,
    /// Minimum round-trip time in microseconds.
    pub min_rtt_us: u32,
}

/// State numbers of `TCP_FIN_WAIT1` and `TCP_CLOSE_WAIT` in the kernel.
const FIN_WAIT_1: u8 = 4;
const CLOSE_WAIT: u8 = 8;

/// Reads TCP_INFO of `socket`.
pub fn read(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    // SAFETY: `tcp_info` is plain numbers, for which all zeros is a valid value; older
    // kernels fill only the front of it.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `info`, which outlives the call, and the
    // descriptor is open for as long as it is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpInfo {
        end_unacknowledged: info.tcpi_state == FIN_WAIT_1,
        peer_ended: info.tcpi_state == CLOSE_WAIT,
        retransmits: info.tcpi_total_retrans.into(),
        rtt_us: info.tcpi_rtt,
        min_rtt_us: info.tcpi_min_rtt,
    })
}

/// Whether the peer's kernel has acknowledged everything sent on `socket`, after its write side
/// was shut down.
pub fn end_acknowledged(socket: BorrowedFd<'_>) -> bool {
    // If the query fails the socket is broken, and waiting is useless.
    read(socket).map_or(true, |info| !info.end_unacknowledged)
}
