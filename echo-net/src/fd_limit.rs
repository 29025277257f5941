//! The limit of open file descriptors: raised to the hard limit at start, and read by who
//! must refuse work that would not fit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a program needs beside its connections: standard streams, listener,
/// epoll, wake-ups, log and report files.
pub const RESERVE: u64 = 32;

/// Raises the soft limit to the hard limit and returns the limit in force;
/// `u64::MAX` where there is none.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // A refusal leaves the old limit, which the caller is told.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit { current: limit.maximum, maximum: limit.maximum },
        );
    }
    current()
}

/// The soft limit in force; `u64::MAX` where there is none.
pub fn current() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many connections fit below the limit in force.
pub fn room_for_connections() -> u64 {
    current().saturating_sub(RESERVE)
}
