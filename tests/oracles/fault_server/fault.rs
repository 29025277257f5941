//! Kinds of injected faults: [`Fault`].

use std::time::Duration;

/// An injected fault or delay. Messages are counted from 1 per connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Serves messages sequentially, each with this service time.
    Delay(Duration),
    /// The same to within microseconds, at the cost of a core: a server whose queue is known.
    Serve(Duration),
    /// Stalls once for `length`, `at` this long after the first message.
    Stall { at: Duration, length: Duration },
    /// Drops the reply to every n-th message.
    Drop(u64),
    /// Corrupts one byte of every n-th reply, at this offset of the text.
    Corrupt { every: u64, offset: usize },
    /// Sends every n-th reply twice.
    Duplicate(u64),
    /// Truncates every n-th reply to this many bytes of text.
    Truncate { every: u64, length: usize },
    /// Swaps every n-th reply with the following one.
    Reorder(u64),
    /// Two connections get each other's reply to every n-th message.
    Swap(u64),
    /// Resets the connection instead of the n-th reply.
    Reset(u64),
    /// Stops replying after n replies.
    Mute(u64),
    /// Sends an unsolicited line after every n-th reply.
    Babble(u64),
}
