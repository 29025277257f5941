//! The limit of open file descriptors (`ulimit -n`): raised to the hard limit at start, and
//! consulted before accepting work that would exceed it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors needed besides connections: standard streams, listener, epoll, wake-ups, log and
/// report files.
pub const RESERVE: u64 = 32;

/// Raises the soft limit to the hard limit and returns the effective limit; `u64::MAX` if
/// unlimited.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // On failure the old limit stays and is returned.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit { current: limit.maximum, maximum: limit.maximum },
        );
    }
    current()
}

/// The effective soft limit; `u64::MAX` if unlimited.
pub fn current() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many connections fit below the effective limit.
pub fn room_for_connections() -> u64 {
    current().saturating_sub(RESERVE)
}
