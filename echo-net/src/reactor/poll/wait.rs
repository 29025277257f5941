//! The call of ppoll(2): [`wait`], on descriptors by number: [`Watched`].

#![expect(
    unsafe_code,
    reason = "safe crates borrow every descriptor for as long as it is listed"
)]

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use rustix::event::epoll::EventFlags;
use rustix::time::Timespec;

/// A descriptor that is waited for. One that was closed meanwhile counts as broken.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Watched(libc::pollfd);

impl Watched {
    /// Waits for what epoll and poll have in common, by the same bits.
    pub(super) fn new(fd: RawFd, interest: EventFlags) -> Self {
        Self(libc::pollfd { fd, events: interest.bits() as libc::c_short, revents: 0 })
    }

    pub(super) fn fd(self) -> RawFd {
        self.0.fd
    }

    /// What has happened, as of the last call of [`wait`].
    pub(super) fn happened(self) -> EventFlags {
        let broken = self.0.revents & libc::POLLNVAL != 0;
        let bits = u32::from(self.0.revents.cast_unsigned());
        let mut happened = EventFlags::from_bits_truncate(bits);
        happened.set(EventFlags::ERR, broken || happened.contains(EventFlags::ERR));
        happened
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.0.fd)
    }
}

/// Waits until one of `watched` is ready, for so long (`None`: forever) or until a signal; how
/// many are ready.
pub(super) fn wait(watched: &mut [Watched], timeout: Option<&Timespec>) -> io::Result<usize> {
    let timeout = timeout.map(|time| libc::timespec {
        tv_sec: time.tv_sec,
        tv_nsec: time.tv_nsec as libc::c_long,
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pointer and the length describe `watched`, whose elements are a `pollfd` each,
    // and `timeout` is null or points to a value; both outlive the call. It only looks at
    // descriptors, whatever their numbers.
    let ready = unsafe {
        libc::ppoll(
            watched.as_mut_ptr().cast(),
            watched.len() as libc::nfds_t,
            timeout,
            ptr::null(),
        )
    };
    if let Ok(ready) = usize::try_from(ready) {
        return Ok(ready);
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        error => Err(error),
    }
}
