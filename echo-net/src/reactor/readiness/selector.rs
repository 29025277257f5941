//! A way to wait for descriptors to become ready: [`Selector`].

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::epoll::EventFlags;
use rustix::time::Timespec;

/// Waits for many descriptors. Each has a number of the reactor's choice, which its events bear.
pub trait Selector: fmt::Debug + Sized {
    /// What is asked of connections beside their interest.
    const OF_CONNECTIONS: EventFlags;
    /// Whether an event is told once, so that everything must be read that is there.
    const TELLS_ONCE: bool;
    /// Whether an event ends the interest in its descriptor until that is renewed.
    const MUST_RENEW: bool;

    /// One that waits for nothing yet.
    ///
    /// # Errors
    /// When the kernel has no room for it.
    fn new() -> io::Result<Self>;

    /// Begins to wait for a descriptor.
    ///
    /// # Errors
    /// When the kernel has no room for it.
    fn add(&mut self, fd: BorrowedFd<'_>, number: u64, interest: EventFlags) -> io::Result<()>;

    /// Changes the interest in a descriptor, and looks at it afresh.
    ///
    /// # Errors
    /// When it was not added.
    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        number: u64,
        interest: EventFlags,
    ) -> io::Result<()>;

    /// No longer waits for a descriptor that stays open, here or elsewhere.
    fn remove(&mut self, fd: BorrowedFd<'_>);

    /// A descriptor is about to be closed, which was opened once.
    fn closes(&mut self, fd: BorrowedFd<'_>);

    /// Waits until one is ready, or for so long (`None`: forever). A signal ends it, too.
    ///
    /// # Errors
    /// When waiting fails.
    fn wait(&mut self, timeout: Option<&Timespec>) -> io::Result<()>;

    /// The number and the events of the descriptor in this place of those that were ready;
    /// `None` after the last.
    fn ready(&self, place: usize) -> Option<(u64, EventFlags)>;
}
