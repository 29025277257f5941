//! What the kernel says of a request: [`Completion`].

#![expect(
    unsafe_code,
    reason = "the kernel hands over descriptors and buffers by their numbers"
)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue::{self, Entry};
use rustix::event::PollFlags;

use super::Key;
use super::buffers::{Buffers, Lease};
use super::subject::Subject;

/// Completion of a request. `more`: the request stays active and completes again.
#[derive(Debug)]
pub(super) enum Completion {
    /// A connection was accepted on the listener of this number.
    Accepted { number: u32, result: io::Result<OwnedFd>, more: bool },
    /// Connections are pending on the listener of this number, or its poll was cancelled.
    Pending { number: u32 },
    /// The waker was used.
    Woken { more: bool },
    /// Bytes were received; none at the end of the input.
    Received { key: Key, result: io::Result<Option<Lease>>, more: bool },
    /// The polled event occurred.
    Watched { key: Key, result: io::Result<PollFlags>, more: bool },
    /// What was submitted before has been dealt with.
    Fenced,
    /// The request to cancel was not found at that moment.
    NotCancelled(Subject),
}

impl Completion {
    /// What an entry says.
    ///
    /// # Safety
    /// The entry was taken from the completion queue of a ring whose requests use `buffers`, and
    /// this is called once for it.
    pub(super) unsafe fn of(entry: &Entry, buffers: &Buffers) -> Self {
        let (result, flags) = (entry.result(), entry.flags());
        let more = cqueue::more(flags);
        let number = u32::try_from(result)
            .map_err(|_| io::Error::from_raw_os_error(result.wrapping_neg()));
        let lease = cqueue::buffer_select(flags).and_then(|id| {
            // SAFETY: the kernel names a buffer when it hands it over, in one entry, and does
            // not take it again before it is offered, which dropping the lease does.
            unsafe { buffers.lease(id, result.max(0) as usize) }
        });
        match Subject::from_user_data(entry.user_data()) {
            Subject::Accept(listener) => Self::Accepted {
                number: listener,
                // SAFETY: an accepted descriptor is new and nobody else's; one entry names it.
                result: number.map(|_| unsafe { OwnedFd::from_raw_fd(result) }),
                more,
            },
            Subject::Waker => Self::Woken { more },
            Subject::Receive(key) => Self::Received {
                key,
                result: number.map(|bytes| lease.filter(|_| bytes > 0)),
                more,
            },
            Subject::Watch(key) => Self::Watched {
                key,
                result: number.map(|bits| PollFlags::from_bits_retain(bits as u16)),
                more,
            },
            Subject::Listener(number) => Self::Pending { number },
            Subject::Fence => Self::Fenced,
            cancelling => Self::NotCancelled(cancelling),
        }
    }
}
