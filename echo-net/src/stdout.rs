//! Standard output whose loss is seen: [`check`] before anything is done, [`finish`] after
//! something was written. For a program's `main`: a library prints nothing.
//!
//! Rust opens `/dev/null` in place of a standard stream that is closed, before `main`, so
//! that a later file can't take its number. From then on everything that is written there
//! is lost without an error. So the stream is looked at earlier, when the process is loaded.
//! Rust also ignores that a stream which is open for reading only can't be written to.

#![expect(unsafe_code, reason = "no safe code runs before the runtime's own set-up")]

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was closed when the program began, or can't be written to.
static LOST: AtomicBool = AtomicBool::new(false);

// SAFETY: the loader calls each entry of `.init_array` once, with the C calling convention,
// before `main`. `look` needs nothing that is set up later.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the call takes two numbers and touches no memory.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFL) };
    let lost = flags == -1 || flags & libc::O_ACCMODE == libc::O_RDONLY;
    LOST.store(lost, Ordering::Relaxed);
}

/// Whether there is a standard output that can be written to.
///
/// # Errors
/// `EBADF` if there was none when the program began.
pub fn check() -> io::Result<()> {
    if LOST.load(Ordering::Relaxed) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    Ok(())
}

/// How writing to standard output ended, after what is still buffered was written too. A
/// reader that has gone away has seen what it wanted, which is no error.
///
/// # Errors
/// When something that was written is lost.
pub fn finish(written: io::Result<()>) -> io::Result<()> {
    check()?;
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
