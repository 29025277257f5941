//! What can go wrong: [`Fault`].

use std::time::Duration;

/// What the server does wrong, or how it takes its time. Messages are counted from 1, for
/// each connection by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Serves one message after the other, each for this long.
    Delay(Duration),
    /// Answers nothing for this `length`, once, `at` so long after the first message.
    Stall { at: Duration, length: Duration },
    /// Every n-th message gets no reply.
    Drop(u64),
    /// One byte of every n-th reply, at this place of the text, is another.
    Corrupt { every: u64, offset: usize },
    /// Every n-th reply comes twice.
    Duplicate(u64),
    /// Every n-th reply has only so many bytes of the text.
    Truncate { every: u64, length: usize },
    /// Every n-th reply comes after the one that should follow it.
    Reorder(u64),
    /// Two connections get each other's reply to every n-th message.
    Swap(u64),
    /// The connection is reset instead of the n-th reply.
    Reset(u64),
    /// After n replies nothing more is answered.
    Mute(u64),
    /// A line that nobody asked for comes after every n-th reply.
    Babble(u64),
}
