//! The backends that the contract is tested on: [`Backend`], and a macro that loops over them.

use std::io::{self, Write};

use crate::reactor::ServingReactor;
use crate::reactor::epoll::{EpollReactor, Trigger};
use crate::reactor::poll::PollReactor;
use crate::reactor::uring::UringReactor;

/// A reactor under test.
pub(in crate::reactor) trait Backend: ServingReactor {
    /// Whether the kernel accepts on its own, without a limit per turn.
    const ACCEPTS_IN_KERNEL: bool = false;

    /// `None`, with a note on stderr, if it is unavailable on this machine.
    fn make(read_buffer: usize) -> Option<Self>;
}

impl<T: Trigger> Backend for EpollReactor<T> {
    fn make(read_buffer: usize) -> Option<Self> {
        Some(Self::with_selector(read_buffer).unwrap())
    }
}

impl Backend for PollReactor {
    fn make(read_buffer: usize) -> Option<Self> {
        Some(Self::new(read_buffer).unwrap())
    }
}

impl Backend for UringReactor {
    const ACCEPTS_IN_KERNEL: bool = true;

    fn make(read_buffer: usize) -> Option<Self> {
        Self::new(read_buffer)
            .inspect_err(|reason| {
                let thread = std::thread::current();
                let test = thread.name().unwrap_or_default();
                // Bypasses the output capture of the test harness.
                let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
            })
            .ok()
    }
}

/// Expands each test once per backend, with a constructor that takes the read buffer size.
macro_rules! for_each_backend {
    ($($test:ident),* $(,)?) => {
        mod epoll {
            $(#[test] fn $test() { super::$test::<super::EpollReactor>(); })*
        }
        mod epoll_edge {
            $(#[test] fn $test() { super::$test::<super::EpollReactor<super::Edge>>(); })*
        }
        mod epoll_oneshot {
            $(#[test] fn $test() { super::$test::<super::EpollReactor<super::Oneshot>>(); })*
        }
        mod poll {
            $(#[test] fn $test() { super::$test::<super::PollReactor>(); })*
        }
        mod uring {
            $(#[test] fn $test() { super::$test::<super::UringReactor>(); })*
        }
    };
}
pub(in crate::reactor) use for_each_backend;
