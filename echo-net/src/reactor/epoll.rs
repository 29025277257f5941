//! The reactor on Linux `epoll`, with nanosecond timeouts (`epoll_pwait2`): [`EpollReactor`].
//!
//! By default it is level-triggered: one read per event, and no `epoll_ctl` per message. The
//! other [triggers](Trigger) are there to be compared with it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;

use super::readiness::{ReadinessReactor, Selector};

/// Maximum number of events per turn.
const EVENTS_PER_TURN: usize = 1024;

/// See the [module](self).
pub type EpollReactor<T = Level> = ReadinessReactor<Epoll<T>>;

impl EpollReactor {
    /// A level-triggered reactor that reads at most `read_buffer` bytes at a time.
    ///
    /// # Errors
    /// When the epoll instance or the waker can't be created.
    pub fn new(read_buffer: usize) -> io::Result<Self> {
        Self::with_selector(read_buffer)
    }
}

impl<T: Trigger> EpollReactor<T> {
    /// A reactor with this trigger that reads at most `read_buffer` bytes at a time.
    ///
    /// # Errors
    /// As of [`new`](EpollReactor::new).
    pub fn triggered(read_buffer: usize) -> io::Result<Self> {
        Self::with_selector(read_buffer)
    }

    /// Of several reactors with the same listener, a new connection wakes one and not all
    /// (`EPOLLEXCLUSIVE`). For listeners that are added after this.
    pub fn listen_exclusively(&mut self) {
        self.listen_with(EventFlags::IN | EventFlags::EXCLUSIVE);
    }
}

/// When epoll reports a connection.
pub trait Trigger: fmt::Debug {
    /// What is asked of the kernel.
    const FLAGS: EventFlags;
    /// As in `Selector`.
    const TELLS_ONCE: bool = false;
    /// As in `Selector`.
    const MUST_RENEW: bool = false;
}

/// For as long as it is ready.
#[derive(Debug)]
pub enum Level {}

/// When it becomes ready (`EPOLLET`); it is read until a read comes short.
#[derive(Debug)]
pub enum Edge {}

/// Once, until it is armed again by an `epoll_ctl` after every event (`EPOLLONESHOT`).
#[derive(Debug)]
pub enum Oneshot {}

impl Trigger for Level {
    const FLAGS: EventFlags = EventFlags::empty();
}

impl Trigger for Edge {
    // The end of input makes no event of its own if it came with the last bytes.
    const FLAGS: EventFlags = EventFlags::ET.union(EventFlags::RDHUP);
    const TELLS_ONCE: bool = true;
}

impl Trigger for Oneshot {
    const FLAGS: EventFlags = EventFlags::ONESHOT;
    const MUST_RENEW: bool = true;
}

/// An epoll instance.
pub struct Epoll<T> {
    instance: OwnedFd,
    events: Vec<epoll::Event>,
    trigger: PhantomData<T>,
}

impl<T> fmt::Debug for Epoll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl<T: Trigger> Selector for Epoll<T> {
    const OF_CONNECTIONS: EventFlags = T::FLAGS;
    const TELLS_ONCE: bool = T::TELLS_ONCE;
    const MUST_RENEW: bool = T::MUST_RENEW;

    fn new() -> io::Result<Self> {
        Ok(Self {
            instance: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            trigger: PhantomData,
        })
    }

    fn add(&mut self, fd: BorrowedFd<'_>, number: u64, interest: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.instance, fd, EventData::new_u64(number), interest)?)
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        number: u64,
        interest: EventFlags,
    ) -> io::Result<()> {
        Ok(epoll::modify(&self.instance, fd, EventData::new_u64(number), interest)?)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        // Fails only if it was not added.
        let _ = epoll::delete(&self.instance, fd);
    }

    /// The kernel removes what is closed.
    #[inline]
    fn closes(&mut self, _fd: BorrowedFd<'_>) {}

    fn wait(&mut self, timeout: Option<&Timespec>) -> io::Result<()> {
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.instance, room, timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn ready(&self, place: usize) -> Option<(u64, EventFlags)> {
        let event = self.events.get(place)?;
        // Copies: the kernel's structure is packed.
        let (data, flags) = (event.data, event.flags);
        Some((data.u64(), flags))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    const IN: EventFlags = EventFlags::IN;
    const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

    /// Whether a socket with unread input is reported: the first time, again, and after its
    /// interest was renewed.
    fn reported<T: Trigger>() -> [bool; 3] {
        let (mut far, near) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut selector = Epoll::<T>::new().unwrap();
        let interest = IN | Epoll::<T>::OF_CONNECTIONS;
        selector.add(near.as_fd(), 7, interest).unwrap();
        far.write_all(b"x").unwrap();
        let mut look = || {
            selector.wait(Some(&SOON)).unwrap();
            selector.ready(0).is_some()
        };
        let [first, again] = [look(), look()];
        selector.modify(near.as_fd(), 7, interest).unwrap();
        selector.wait(Some(&SOON)).unwrap();
        [first, again, selector.ready(0).is_some()]
    }

    #[test]
    fn each_trigger_reports_unread_input_as_often_as_it_says() {
        assert_eq!(reported::<Level>(), [true, true, true]);
        assert_eq!(reported::<Edge>(), [true, false, true]);
        assert_eq!(reported::<Oneshot>(), [true, false, true]);
    }
}
