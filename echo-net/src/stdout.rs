//! Detects lost standard output: [`check`] before anything is done, [`finish`] after writing.
//! For a program's `main`: a library prints nothing.
//!
//! Before `main`, Rust opens `/dev/null` in place of a closed standard stream, so that a later
//! file can't get its number. From then on all output is lost without an error, so the stream
//! is checked earlier, when the process is loaded. Rust also ignores write errors on a stream
//! opened for reading only.

#![expect(unsafe_code, reason = "no safe code runs before the runtime's own set-up")]

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard output was closed at program start, or is not writable.
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

/// Checks that standard output is writable.
///
/// # Errors
/// `EBADF` if it was closed at program start.
pub fn check() -> io::Result<()> {
    if LOST.load(Ordering::Relaxed) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    Ok(())
}

/// The result of writing to standard output, after flushing it. A reader that has closed the
/// pipe is not an error.
///
/// # Errors
/// When output was lost.
pub fn finish(written: io::Result<()>) -> io::Result<()> {
    check()?;
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
