//! Systemd's protocols for services: [`listener`] takes over the listening socket that a service
//! manager has opened (`sd_listen_fds(3)`), and [`notify_ready`] says that the service is ready
//! (`sd_notify(3)`). For a program's `main`.

#![expect(unsafe_code, reason = "a descriptor that was passed by number has no safe owner yet")]

use std::env;
use std::fs;
use std::io;
use std::iter;
use std::os::fd::{AsFd as _, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use sd_notify::NotifyState;

use crate::listener::Listener;
use crate::socket::SocketOptions;

/// Why the passed sockets can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The variables are malformed, or name a descriptor that is not open.
    #[error("reading the environment variables LISTEN_PID and LISTEN_FDS: {0}")]
    Environment(io::Error),
    /// More than one descriptor.
    #[error(
        "LISTEN_FDS passes {0} sockets, and only one is supported (keep one ListenStream= in the \
         .socket unit)"
    )]
    Several(String),
    /// Not a listening stream socket.
    #[error(
        "the descriptor that LISTEN_FDS passes is {0}, not a listening TCP or unix-domain socket \
         (use ListenStream=HOST:PORT or a path, and Accept=no, in the .socket unit)"
    )]
    Unfit(&'static str),
    /// An option can't be set.
    #[error("setting up the socket that LISTEN_FDS passes: {0}")]
    Options(io::Error),
}

/// The listening socket that was passed to this process, non-blocking and with those `options` that
/// matter before a connection is accepted; `None` if none was. Later calls return `None`. To be
/// called before there are other threads: otherwise the variables stay, and a child might inherit
/// them.
///
/// # Errors
/// When several descriptors were passed, or one that is no listening stream socket.
pub fn listener(options: &SocketOptions) -> Result<Option<Listener>, ActivationError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(None);
    }
    let passed = take_passed().map_err(ActivationError::Environment)?;
    let [(descriptor, _)] = &passed[..] else {
        let names: Vec<_> = passed.iter().map(|(_, name)| name.as_str()).collect();
        return match passed.len() {
            0 => Ok(None),
            count => Err(ActivationError::Several(format!("{count} ({})", names.join(", ")))),
        };
    };
    // SAFETY: the service manager has opened the descriptor for this process, and it is open:
    // `take_passed` has set its flags. Nothing else owns it, since this happens once in a process.
    let socket = unsafe { OwnedFd::from_raw_fd(*descriptor) };
    let listener = Listener::try_from(socket).map_err(ActivationError::Unfit)?;
    listener.set_nonblocking(true).map_err(ActivationError::Options)?;
    options
        .apply_to_listener(listener.as_fd(), listener.transport())
        .map_err(ActivationError::Options)?;
    Ok(Some(listener))
}

/// The descriptors that were passed, with their names as far as they have some. The environment
/// variables are removed, so that no child takes them for its own.
fn take_passed() -> io::Result<Vec<(RawFd, String)>> {
    let descriptors = sd_notify::listen_fds();
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    if is_single_threaded() {
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            // SAFETY: no other thread exists, which could read the environment meanwhile.
            unsafe { env::remove_var(name) };
        }
    }
    let names = names.split(':').chain(iter::repeat("unnamed"));
    Ok(descriptors?.zip(names.map(str::to_owned)).collect())
}

fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Tells the service manager, if there is one, that the service is ready.
///
/// # Errors
/// When the socket named by `NOTIFY_SOCKET` can't be written to.
pub fn notify_ready() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn only_a_listening_stream_socket_is_fit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = fs::File::open("/dev/null").unwrap();
        for (descriptor, told) in [
            (OwnedFd::from(listener), None),
            (stream.into(), Some("a socket that does not listen")),
            (unix.into(), None),
            (UnixStream::pair().unwrap().0.into(), Some("a socket that does not listen")),
            (udp.into(), Some("a socket of another kind")),
            (file.into(), Some("no socket")),
        ] {
            assert_eq!(Listener::try_from(descriptor).err(), told);
        }
    }

    #[test]
    fn nothing_passed_is_nothing() {
        assert!(listener(&SocketOptions::default()).unwrap().is_none());
    }
}
