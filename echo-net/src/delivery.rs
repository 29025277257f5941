//! What a peer has taken of that which was sent to it: [`Delivery`]. TCP says what the peer's kernel
//! has acknowledged; of a unix-domain socket it is known what waits to be read.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

use crate::tcp_info::{self, TcpInfo};

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes in order of time: more than before means that the peer has taken some.
    progress: Progress,
    /// Whether the peer's kernel has everything, of TCP also the end, so that a close loses nothing.
    /// What a unix-domain socket has accepted is in the peer's queue at once.
    pub all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Bytes that were acknowledged so far.
    Acknowledged(u64),
    /// Memory of the bytes that the peer has not read.
    Waiting(u64),
}

impl Delivery {
    /// How far the peer is, given the bytes that the kernel has accepted since some instant: a
    /// number that grows as it takes bytes. Only comparisons have a meaning.
    pub fn progress(&self, accepted: u64) -> u64 {
        match self.progress {
            Progress::Acknowledged(bytes) => bytes,
            Progress::Waiting(memory) => (u64::MAX / 2 + accepted).saturating_sub(memory),
        }
    }
}

impl From<TcpInfo> for Delivery {
    fn from(info: TcpInfo) -> Self {
        let progress = Progress::Acknowledged(info.acknowledged);
        Self { progress, all: info.all_acknowledged }
    }
}

/// Of `socket`.
///
/// # Errors
/// When it is neither a TCP nor a unix-domain socket.
pub fn read(socket: BorrowedFd<'_>) -> io::Result<Delivery> {
    match tcp_info::read(socket) {
        Ok(info) => Ok(info.into()),
        Err(error) if tcp_info::is_of_another_kind(&error) => {
            let progress = Progress::Waiting(unread_by_peer(socket)?);
            Ok(Delivery { progress, all: true })
        }
        Err(error) => Err(error),
    }
}

/// `SIOCOUTQ` (unix(7)): the memory of what the peer has not read, with the kernel's own share.
#[expect(unsafe_code, reason = "no safe crate has SIOCOUTQ")]
fn unread_by_peer(socket: BorrowedFd<'_>) -> io::Result<u64> {
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: the kernel writes one `int` for this request, whatever the descriptor is.
    let memory = unsafe { ioctl(socket, Getter::<SIOCOUTQ, libc::c_int>::new()) }?;
    Ok(u64::try_from(memory).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_waits_in_a_unix_socket_is_seen_until_it_is_read() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let empty = read(near.as_fd()).unwrap();
        near.set_nonblocking(true).unwrap();
        let mut sent = 0;
        loop {
            match near.write(&[0; 10_000]) {
                Ok(bytes) => sent += bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let full = read(near.as_fd()).unwrap();
        assert!(full.all && full.progress(0) < empty.progress(0));
        far.read_exact(&mut vec![0; sent as usize / 2]).unwrap();
        let half = read(near.as_fd()).unwrap();
        assert!(half.progress(0) > full.progress(0));
        // As much again was accepted, and nothing more was read.
        let more = near.write(&vec![0; sent as usize / 4]).unwrap() as u64;
        assert!(read(near.as_fd()).unwrap().progress(0) < half.progress(0));
        far.read_exact(&mut vec![0; sent as usize / 4]).unwrap();
        assert!(read(near.as_fd()).unwrap().progress(more) > half.progress(0));
        far.set_nonblocking(true).unwrap();
        while far.read(&mut vec![0; 100_000]).is_ok() {}
        assert_eq!(read(near.as_fd()).unwrap(), empty);
        drop(near);
        // Nothing is lost by a close.
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.write_all(b"kept").unwrap();
        drop(near);
        let mut kept = Vec::new();
        far.read_to_end(&mut kept).unwrap();
        assert_eq!(kept, b"kept");
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(read(file.as_fd()).is_err());
    }
}
