//! Spans of time, as numbers.

/// Nanoseconds: on the monotonic clock of one machine, unless a name says otherwise.
pub type Nanos = u64;

/// A second.
pub(crate) const SECOND: Nanos = 1_000_000_000;
