//! Unread input of a socket: [`Unread`]. A graceful stop serves exactly that, and is not
//! delayed by a peer that continues to send.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::tcp_info;

/// Input that has arrived and was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unread {
    /// Bytes.
    pub bytes: usize,
    /// Whether the end of input follows them.
    pub ended: bool,
}

/// The kernel's receive queue of `socket`.
pub fn read(socket: BorrowedFd<'_>) -> io::Result<Unread> {
    // The end is queried first: if it had arrived, then so had all bytes before it.
    let ended = match tcp_info::read(socket) {
        Ok(info) => info.peer_ended,
        Err(error) if tcp_info::is_of_another_kind(&error) => has_hung_up(socket)?,
        Err(error) => return Err(error),
    };
    let bytes = rustix::io::ioctl_fionread(socket)?;
    Ok(Unread { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), ended })
}

/// Whether the peer of a unix-domain socket has shut down its write side, or closed.
fn has_hung_up(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut asked = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(asked[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    fn until(socket: &impl AsFd, expected: Unread) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while read(socket.as_fd()).unwrap() != expected {
            assert!(Instant::now() < deadline, "{:?}", read(socket.as_fd()).unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn counts_the_bytes_and_sees_the_end_behind_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        assert_eq!(read(socket.as_fd()).unwrap(), Unread::default());
        peer.write_all(b"hello").unwrap();
        until(&socket, Unread { bytes: 5, ended: false });
        peer.shutdown(Shutdown::Write).unwrap();
        until(&socket, Unread { bytes: 5, ended: true });
        socket.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(read(socket.as_fd()).unwrap(), Unread { bytes: 2, ended: true });
    }

    #[test]
    fn a_unix_socket_says_the_same() {
        let (mut peer, mut socket) = UnixStream::pair().unwrap();
        assert_eq!(read(socket.as_fd()).unwrap(), Unread::default());
        peer.write_all(b"hello").unwrap();
        until(&socket, Unread { bytes: 5, ended: false });
        peer.shutdown(Shutdown::Write).unwrap();
        until(&socket, Unread { bytes: 5, ended: true });
        socket.read_exact(&mut [0; 3]).unwrap();
        drop(peer);
        assert_eq!(read(socket.as_fd()).unwrap(), Unread { bytes: 2, ended: true });
    }
}
