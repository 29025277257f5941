//! What limits are held against, [`Occupied`]: open connections and bytes that are buffered, in
//! this process or in all processes of a server.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::shared_words::SharedWords;

/// Size classes of what connections buffer: as many as any number of bytes needs.
pub(crate) const CLASSES: usize = 256;

const ACTIVE: usize = 0;
const LINGERING: usize = 1;
const BUFFERED: usize = 2;
const FIRST_CLASS: usize = 3;
const WORDS: usize = FIRST_CLASS + CLASSES;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Occupied(Words);

#[derive(Debug)]
enum Words {
    Own(Box<[AtomicU64; WORDS]>),
    Shared(SharedWords),
}

impl Default for Occupied {
    /// Of this process alone.
    fn default() -> Self {
        Self(Words::Own(Box::new([const { AtomicU64::new(0) }; WORDS])))
    }
}

impl Occupied {
    /// Of this process and those that get its [memory](Self::memory).
    ///
    /// # Errors
    /// When there is no memory or no descriptor left.
    pub(crate) fn shared() -> io::Result<Self> {
        SharedWords::new(WORDS).map(|words| Self(Words::Shared(words)))
    }

    /// That of the process which has passed on its memory.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn of_memory(memory: OwnedFd) -> io::Result<Self> {
        SharedWords::map(memory, WORDS).map(|words| Self(Words::Shared(words)))
    }

    /// To be passed on; `None` if it is not shared.
    pub(crate) fn memory(&self) -> Option<BorrowedFd<'_>> {
        match &self.0 {
            Words::Own(_) => None,
            Words::Shared(words) => Some(words.memory()),
        }
    }

    /// Open connections.
    pub(crate) fn active(&self) -> Places<'_> {
        Places(&self.words()[ACTIVE])
    }

    /// Refused connections that linger.
    pub(crate) fn lingering(&self) -> Places<'_> {
        Places(&self.words()[LINGERING])
    }

    /// Bytes that all connections buffer.
    #[inline]
    pub(crate) fn buffered(&self) -> &AtomicU64 {
        &self.words()[BUFFERED]
    }

    /// Connections in each size class.
    #[inline]
    pub(crate) fn classes(&self) -> &[AtomicU64] {
        &self.words()[FIRST_CLASS..]
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        match &self.0 {
            Words::Own(words) => &words[..],
            Words::Shared(words) => words,
        }
    }
}

/// Places, of which there are only so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a>(&'a AtomicU64);

impl Places<'_> {
    /// Takes one of `most`, if one is free.
    pub(crate) fn take(self, most: u64) -> bool {
        let free = self.0.fetch_add(1, Ordering::Relaxed) < most;
        if !free {
            self.release();
        }
        free
    }

    /// Gives one back.
    pub(crate) fn release(self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are taken.
    pub(crate) fn taken(self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the processes of a server share.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// What is counted together.
    pub occupied: std::sync::Arc<Occupied>,
    /// How many processes; 0 is one, too.
    pub processes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_in_all_processes_together() {
        let one = Occupied::shared().unwrap();
        let memory = one.memory().unwrap().try_clone_to_owned().unwrap();
        let other = Occupied::of_memory(memory).unwrap();
        assert!(one.active().take(2) && other.active().take(2));
        assert!(!one.active().take(2) && !other.active().take(2));
        one.active().release();
        assert!(other.active().take(2));
        assert_eq!((one.active().taken(), one.lingering().taken()), (2, 0));
    }

    #[test]
    fn what_is_counted_apart_is() {
        let occupied = Occupied::default();
        occupied.buffered().fetch_add(5, Ordering::Relaxed);
        occupied.classes()[CLASSES - 1].fetch_add(7, Ordering::Relaxed);
        assert!(occupied.lingering().take(1));
        assert_eq!((occupied.active().taken(), occupied.lingering().taken()), (0, 1));
        assert!(occupied.memory().is_none());
    }
}
