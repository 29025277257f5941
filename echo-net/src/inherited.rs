//! Descriptors that pass to another program by number: [`keep_open`] before it is started,
//! [`take`] in its `main`.

#![expect(unsafe_code, reason = "a descriptor that was passed by number has no safe owner yet")]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Numbers that have been taken.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Has a descriptor pass to programs that this process starts from now on, until it is closed.
///
/// # Errors
/// When the kernel does not want to.
pub fn keep_open(descriptor: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfd(descriptor, FdFlags::empty())?)
}

/// The descriptor with this number, which the program that started this one has left open for
/// it. To be called before anything else is opened; each number once.
///
/// # Errors
/// When it is a standard stream, not open, taken already, or was opened here.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    let unfit = |why| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("descriptor {number}: {why}"))
    };
    if number <= 2 {
        return Err(unfit("is no descriptor that is passed on"));
    }
    if !TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
        return Err(unfit("is taken already"));
    }
    // SAFETY: only asks whether the number is that of an open descriptor; the number is not used
    // further if it is not.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed)?;
    // Everything that is opened in this process closes itself on exec.
    if flags.contains(FdFlags::CLOEXEC) {
        return Err(unfit("was not passed on"));
    }
    // SAFETY: it is open, and was not opened in this process, since it stays open on exec. So
    // nothing else here owns it: this function gives each number away once.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
    Ok(owned)
}
