//! The reactor on poll(2), as POSIX has it: [`PollReactor`]. The kernel looks at every descriptor
//! in every turn, so that the cost of a message grows with the number of connections.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::event::epoll::EventFlags;
use rustix::time::Timespec;

use super::readiness::{ReadinessReactor, Selector};
use crate::clock::{MILLISECOND, SECOND};
use crate::fd_limit;

mod wait;

use wait::{Watched, wait};

/// See the [module](self).
pub type PollReactor = ReadinessReactor<Poll>;

impl PollReactor {
    /// A reactor that reads at most `read_buffer` bytes at a time.
    ///
    /// # Errors
    /// When the waker can't be created.
    pub fn new(read_buffer: usize) -> io::Result<Self> {
        Self::with_selector(read_buffer)
    }
}

/// How long the first part of the descriptors is waited for, at most, where they have to be passed
/// in parts: so much later is seen what happens to the others.
const WAIT_FOR_PART: Timespec =
    Timespec { tv_sec: 0, tv_nsec: (2 * MILLISECOND).cast_signed() };

/// No time.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The descriptors that are passed to poll(2) in every turn.
#[derive(Debug, Default)]
pub struct Poll {
    watched: Vec<Watched>,
    /// In the same order.
    numbers: Vec<u64>,
    /// Where each descriptor is in both.
    places: HashMap<RawFd, usize>,
    ready: Vec<(u64, EventFlags)>,
}

impl Selector for Poll {
    const OF_CONNECTIONS: EventFlags = EventFlags::empty();
    const TELLS_ONCE: bool = false;
    const MUST_RENEW: bool = false;

    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn add(&mut self, fd: BorrowedFd<'_>, number: u64, interest: EventFlags) -> io::Result<()> {
        self.places.insert(fd.as_raw_fd(), self.watched.len());
        self.watched.push(Watched::new(fd.as_raw_fd(), interest));
        self.numbers.push(number);
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        number: u64,
        interest: EventFlags,
    ) -> io::Result<()> {
        let place = self.places.get(&fd.as_raw_fd()).ok_or(io::ErrorKind::NotFound)?;
        self.watched[*place] = Watched::new(fd.as_raw_fd(), interest);
        self.numbers[*place] = number;
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) {
        let Some(place) = self.places.remove(&fd.as_raw_fd()) else { return };
        self.watched.swap_remove(place);
        self.numbers.swap_remove(place);
        if let Some(moved) = self.watched.get(place) {
            self.places.insert(moved.fd(), place);
        }
    }

    /// Otherwise its number would be watched, which another descriptor may get.
    fn closes(&mut self, fd: BorrowedFd<'_>) {
        self.remove(fd);
    }

    fn wait(&mut self, timeout: Option<&Timespec>) -> io::Result<()> {
        self.ready.clear();
        let ready = match wait(&mut self.watched, timeout) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let most = usize::try_from(fd_limit::current()).unwrap_or(usize::MAX);
                wait_in_parts(&mut self.watched, most, timeout)?
            }
            ready => ready?,
        };
        if ready == 0 {
            return Ok(());
        }
        let all = self.watched.iter().zip(&self.numbers);
        let happened = all.map(|(watched, &number)| (number, watched.happened()));
        self.ready.extend(happened.filter(|(_, events)| !events.is_empty()));
        Ok(())
    }

    fn ready(&self, place: usize) -> Option<(u64, EventFlags)> {
        self.ready.get(place).copied()
    }
}

/// Waits for more descriptors than this process may open, `most` at a time: their limit was
/// lowered below what it has open, and poll(2) takes no more (`EINVAL`). The waker is in the first
/// part.
fn wait_in_parts(
    watched: &mut [Watched],
    most: usize,
    timeout: Option<&Timespec>,
) -> io::Result<usize> {
    let nanoseconds = |time: &Timespec| {
        i128::from(time.tv_sec) * i128::from(SECOND) + i128::from(time.tv_nsec)
    };
    let shortest = timeout.filter(|time| nanoseconds(time) < nanoseconds(&WAIT_FOR_PART));
    let mut wait_for = *shortest.unwrap_or(&WAIT_FOR_PART);
    let mut ready = 0;
    for part in watched.chunks_mut(most.max(1)) {
        ready += wait(part, Some(&wait_for))?;
        wait_for = NOW;
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_waited_for_in_parts_is_all_seen() {
        let pairs: Vec<_> = (0..5).map(|_| UnixStream::pair().unwrap()).collect();
        let mut watched: Vec<Watched> = pairs
            .iter()
            .enumerate()
            .map(|(number, (near, _))| {
                let interest = if number % 4 == 0 { EventFlags::OUT } else { EventFlags::IN };
                Watched::new(near.as_raw_fd(), interest)
            })
            .collect();
        for most in [0, 1, 2, 5, 9] {
            assert_eq!(wait_in_parts(&mut watched, most, None).unwrap(), 2, "{most}");
            let happened: Vec<bool> =
                watched.iter().map(|one| !one.happened().is_empty()).collect();
            assert_eq!(happened, [true, false, false, false, true], "{most}");
        }
    }

    #[test]
    fn a_descriptor_that_is_removed_takes_no_other_with_it() {
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        let mut poll = Poll::new().unwrap();
        for (number, (near, _)) in pairs.iter().enumerate() {
            poll.add(near.as_fd(), number as u64, EventFlags::OUT).unwrap();
        }
        poll.remove(pairs[0].0.as_fd());
        poll.remove(pairs[0].0.as_fd());
        poll.modify(pairs[2].0.as_fd(), 7, EventFlags::OUT).unwrap();
        assert!(poll.modify(pairs[0].0.as_fd(), 0, EventFlags::OUT).is_err());
        poll.wait(Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        let mut numbers: Vec<u64> =
            (0..).map_while(|place| poll.ready(place)).map(|(number, _)| number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 7]);
    }
}
