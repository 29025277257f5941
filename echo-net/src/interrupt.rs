//! Wakes a thread out of a blocking system call: [`Interruptible`].
//!
//! A signal that does nothing makes a blocked `read` or `write` return `EINTR`
//! (signal(7)), and leaves the socket as it is. Shutting down the reading side would wake a
//! reader too, but after a half-close the kernel then answers whatever the peer still sends
//! with a reset, which destroys replies on their way (RFC 9293, 3.10.7.4).
//!
//! It carries no message: who is interrupted looks for itself what has changed.

#![expect(unsafe_code, reason = "no safe crate interrupts a thread")]

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

/// Ignored unless somebody asks for it, and nobody here uses out-of-band data.
const SIGNAL: libc::c_int = libc::SIGURG;

/// Nobody.
const NONE: i32 = 0;

/// A thread that lets itself be interrupted.
#[derive(Debug, Default)]
pub struct Interruptible {
    thread: AtomicI32,
}

impl Interruptible {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on it is the calling thread, which is to look only after this whether there
    /// is a reason to be interrupted.
    pub fn enter(&self) {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(install_handler);
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::SeqCst);
    }

    /// The thread has noticed, or ends: it is interrupted no more.
    pub fn leave(&self) {
        self.thread.store(NONE, Ordering::SeqCst);
    }

    /// Interrupts the thread, if there is one. To be repeated until it has noticed: it may
    /// have been on its way into a system call, where a signal is over before the waiting
    /// begins.
    pub fn interrupt(&self) {
        let thread = self.thread.load(Ordering::SeqCst);
        if thread != NONE {
            let process = rustix::process::getpid().as_raw_nonzero().get();
            // SAFETY: `tgkill` takes three numbers and touches no memory. The signal has a
            // handler, which was installed before a thread entered, so it ends nothing, even
            // if the number has meanwhile become that of another thread of this process.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, SIGNAL) };
        }
    }
}

/// Without `SA_RESTART`: the system call is not to go on.
fn install_handler() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: all zeros are a valid `sigaction`: no flags, nothing masked. The handler does
    // nothing, so it is safe at any time in any thread; both pointers are good for the call.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut())
    };
    assert!(installed == 0, "SIGURG may be handled: {}", io::Error::last_os_error());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn a_blocked_read_returns_and_the_socket_is_as_it_was() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        let (interruptible, asked) = (Interruptible::new(), AtomicBool::new(false));
        interruptible.interrupt();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                interruptible.enter();
                let mut interrupted = 0;
                while !asked.load(Ordering::SeqCst) {
                    let error = socket.read(&mut [0]).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
                    interrupted += 1;
                }
                interruptible.leave();
                interrupted
            });
            asked.store(true, Ordering::SeqCst);
            let deadline = Instant::now() + Duration::from_secs(5);
            while !reader.is_finished() {
                assert!(Instant::now() < deadline, "the reader was not woken");
                interruptible.interrupt();
                thread::sleep(Duration::from_millis(1));
            }
            assert!(reader.join().unwrap() <= 1);
        });
        peer.write_all(b"x").unwrap();
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x", "it can still be read");
    }
}
