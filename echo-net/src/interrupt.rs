//! Interrupts a thread in a blocking system call: [`Interruptible`].
//!
//! A signal with an empty handler makes a blocked `read` or `write` return `EINTR` (signal(7))
//! and does not affect the socket. Shutting down the read side would wake a reader too, but
//! after a half-close the kernel then answers further data of the peer with a RST, which
//! destroys replies in flight (RFC 9293, 3.10.7.4).
//!
//! It carries no message: the interrupted thread checks for itself what has changed.

#![expect(unsafe_code, reason = "no safe crate interrupts a thread")]

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

/// Ignored by default, and nothing here uses out-of-band data.
const SIGNAL: libc::c_int = libc::SIGURG;

/// Nobody.
const NONE: i32 = 0;

/// A thread that can be interrupted.
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

    /// Registers the calling thread. It must check for a reason to be interrupted only after
    /// this.
    pub fn enter(&self) {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(install_handler);
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::SeqCst);
    }

    /// Unregisters the thread.
    pub fn leave(&self) {
        self.thread.store(NONE, Ordering::SeqCst);
    }

    /// Interrupts the thread, if one is registered. Must be repeated until the thread reacts: a
    /// signal that arrives just before a blocking system call is lost.
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

/// Without `SA_RESTART`: the system call must not be restarted.
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
