//! The user at the other end of a unix-domain socket (`SO_PEERCRED`, unix(7)).

#![expect(
    unsafe_code,
    reason = "the safe crate's process id is never zero, but that of another namespace is"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The user id of the peer when it connected.
///
/// # Errors
/// When it is no socket, or has no peer.
pub(super) fn user_of_peer(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `peer`, plain numbers, which outlives the call,
    // and the descriptor is open for as long as it is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    // Nobody has this user id: a socket without a peer.
    match result {
        0 if peer.uid != u32::MAX => Ok(peer.uid),
        0 => Err(io::ErrorKind::NotConnected.into()),
        _ => Err(io::Error::last_os_error()),
    }
}
