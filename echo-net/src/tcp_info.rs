//! Kernel statistics of a connection: [`TcpInfo`], from `getsockopt(TCP_INFO)`.

#![expect(unsafe_code, reason = "no safe crate reads TCP_INFO")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Statistics of one connection since it was established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a connection")]
pub struct TcpInfo {
    /// Bytes of our output that the peer's kernel has acknowledged (RFC 4898,
    /// tcpEStatsAppHCThruOctetsAcked). It grows as the peer reads, once its buffer is full.
    pub acknowledged: u64,
    /// Whether all output is acknowledged, and its end, if the write side was shut down.
    pub all_acknowledged: bool,
    /// Whether the peer's FIN has arrived (CLOSE-WAIT), with all bytes before it.
    pub peer_ended: bool,
    /// Whether our SYN is not answered, or not even sent (SYN-SENT).
    pub is_connecting: bool,
    /// Whether the SYN brought data that was acknowledged (TCP Fast Open, RFC 7413), on either side.
    pub has_syn_data: bool,
    /// Retransmitted segments.
    pub retransmits: u64,
    /// Smoothed round-trip time in microseconds.
    pub rtt_us: u32,
    /// Minimum round-trip time in microseconds.
    pub min_rtt_us: u32,
}

/// State numbers in the kernel of those in which our FIN is not acknowledged yet (RFC 9293
/// 3.3.2): `TCP_FIN_WAIT1`, `TCP_LAST_ACK` and `TCP_CLOSING`.
const END_UNACKNOWLEDGED: [u8; 3] = [4, 9, 11];

/// The numbers of `TCP_SYN_SENT` and `TCP_CLOSE_WAIT`.
const SYN_SENT: u8 = 2;
const CLOSE_WAIT: u8 = 8;

/// `TCPI_OPT_SYN_DATA` of linux/tcp.h.
const SYN_DATA: u8 = 32;

/// Whether reading failed because the socket is not one of TCP.
pub(crate) fn is_of_another_kind(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT))
}

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
        acknowledged: info.tcpi_bytes_acked,
        all_acknowledged: info.tcpi_unacked == 0
            && info.tcpi_notsent_bytes == 0
            && !END_UNACKNOWLEDGED.contains(&info.tcpi_state),
        peer_ended: info.tcpi_state == CLOSE_WAIT,
        is_connecting: info.tcpi_state == SYN_SENT,
        has_syn_data: info.tcpi_options & SYN_DATA != 0,
        retransmits: info.tcpi_total_retrans.into(),
        rtt_us: info.tcpi_rtt,
        min_rtt_us: info.tcpi_min_rtt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    fn until(socket: &TcpStream, expected: impl Fn(TcpInfo) -> bool) -> TcpInfo {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let info = read(socket.as_fd()).unwrap();
            if expected(info) {
                return info;
            }
            assert!(Instant::now() < deadline, "{info:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_the_peer_takes_is_acknowledged_and_what_waits_for_it_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        socket.write_all(b"hello").unwrap();
        let first = until(&socket, |info| info.all_acknowledged);
        socket.set_nonblocking(true).unwrap();
        let mut sent = 0;
        loop {
            match socket.write(&[0; 10_000]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        socket.shutdown(Shutdown::Write).unwrap();
        let full = until(&socket, |info| info.acknowledged > first.acknowledged);
        assert!(!full.all_acknowledged, "{full:?}");
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), sent + 5);
        let last = until(&socket, |info| info.all_acknowledged);
        let grown = last.acknowledged - first.acknowledged;
        // The kernel counts the end, too.
        assert!((sent as u64..=sent as u64 + 1).contains(&grown), "{last:?} of {sent}");
    }
}
