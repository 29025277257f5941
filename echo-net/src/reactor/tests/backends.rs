//! The backends that the contract is tested on: [`Backend`], and a macro that loops over them.

use std::io::{self, Write};

use crate::reactor::ServingReactor;
use crate::reactor::epoll::{EpollReactor, Trigger};
use crate::reactor::poll::PollReactor;
use crate::reactor::uring::{KernelThread, Unavailable, UringReactor};

/// A way to make a reactor under test.
pub(in crate::reactor) trait Backend {
    /// The reactor.
    type Reactor: ServingReactor;

    /// Whether the kernel accepts on its own, without a limit per turn.
    const ACCEPTS_IN_KERNEL: bool = false;

    /// Whether all that is there is passed on in one turn: nothing is left to a thread of the kernel.
    const IS_PROMPT: bool = true;

    /// `None`, with a note on stderr, if it is unavailable on this machine.
    fn make(read_buffer: usize) -> Option<Self::Reactor>;
}

impl<T: Trigger> Backend for EpollReactor<T> {
    type Reactor = Self;

    fn make(read_buffer: usize) -> Option<Self> {
        Some(Self::with_selector(read_buffer).unwrap())
    }
}

impl Backend for PollReactor {
    type Reactor = Self;

    fn make(read_buffer: usize) -> Option<Self> {
        Some(Self::new(read_buffer).unwrap())
    }
}

impl Backend for UringReactor {
    type Reactor = Self;
    const ACCEPTS_IN_KERNEL: bool = true;

    fn make(read_buffer: usize) -> Option<Self> {
        made(Self::new(read_buffer))
    }
}

/// `io_uring` with a thread of the kernel.
#[derive(Debug)]
pub(in crate::reactor) enum PolledUring {}

impl Backend for PolledUring {
    type Reactor = UringReactor;
    const ACCEPTS_IN_KERNEL: bool = true;
    const IS_PROMPT: bool = false;

    fn make(read_buffer: usize) -> Option<UringReactor> {
        // The reactor keeps it.
        let thread = made(KernelThread::start(None))?;
        made(UringReactor::served_by(&thread, read_buffer))
    }
}

/// What was made, if it is available.
fn made<T>(result: Result<T, Unavailable>) -> Option<T> {
    result
        .inspect_err(|reason| {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or_default();
            // Bypasses the output capture of the test harness.
            let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
        })
        .ok()
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
        mod uring_polled {
            $(#[test] fn $test() { super::$test::<super::PolledUring>(); })*
        }
    };
}
pub(in crate::reactor) use for_each_backend;
