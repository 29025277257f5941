//! An `io_uring` with its buffers behind a safe interface: [`Ring`], which takes requests and
//! returns [`Completion`]s. No request refers to memory of the caller, and dropping the ring ends
//! all requests before it frees its own.
//!
//! Requests are submitted and completed by the thread that owns the ring, in its system calls; or
//! by a [`KernelThread`], at any time.

#![expect(unsafe_code, reason = "the submission queue trusts what is pushed")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};
use rustix::event::PollFlags;

use super::Key;
use super::buffers::{Buffers, GROUP};
use super::completion::Completion;
use super::kernel_thread::{KernelThread, LAG};
use super::queues::Queues;
use super::stamped::{self, StampedMessage};
use super::subject::Subject;
use super::unavailable::Unavailable;
use crate::Nanos;
use crate::clock::{self, MILLISECOND, SECOND};

/// How long a ring that is dropped waits for the end of its requests. Cancelling takes
/// microseconds each.
const WIND_DOWN: Nanos = 200 * MILLISECOND;

/// How often requests are submitted to a kernel that takes none before the caller goes on, and the
/// pause in between.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(1);

/// See the [module](self).
pub(super) struct Ring {
    kernel: IoUring,
    pub(super) buffers: Buffers,
    /// Requests that were not submitted yet.
    requests: VecDeque<(Entry, Subject)>,
    /// Submitted requests, without cancellations, whose last completion is still to come.
    outstanding: usize,
    completions: VecDeque<Completion>,
    flags: EnterFlags,
    /// A kernel thread submits and completes requests.
    is_polled: bool,
    /// How often the completion queue was too small.
    pub(super) overflows: u64,
    pub(super) message: StampedMessage,
    /// How long a drop waits for the kernel.
    pub(super) patience: Nanos,
    /// Only the thread that created the ring may use it.
    not_send: PhantomData<*const ()>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("requests", &self.requests.len())
            .field("completions", &self.completions)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// A ring that receives at most `read_buffer` bytes at a time.
    ///
    /// With a kernel thread, completions arrive at any time, also while this thread does something
    /// else. Without, they are produced only while this thread is in [`enter`](Self::enter)
    /// (`IORING_SETUP_DEFER_TASKRUN`, Linux 6.1, which implies all other features used here):
    /// nothing completes asynchronously.
    pub(super) fn new(
        read_buffer: usize,
        thread: Option<&KernelThread>,
        queues: Queues,
    ) -> Result<Self, Unavailable> {
        let kernel = queues.build(thread)?;
        let buffers = Buffers::new(read_buffer);
        // SAFETY: the buffers are stored with the ring, whose drop gives them up only once no
        // request can fill them, and never otherwise.
        unsafe { buffers.register(&kernel.submitter()) }.map_err(|reason| Unavailable {
            asked: "provided buffers (io_uring_register)",
            reason,
        })?;
        let mut flags = EnterFlags::GETEVENTS;
        // Otherwise time spent waiting for the network is accounted as I/O wait.
        flags.set(EnterFlags::NO_IOWAIT, kernel.params().is_feature_no_iowait());
        Ok(Self {
            kernel,
            buffers,
            requests: VecDeque::new(),
            outstanding: 0,
            completions: VecDeque::new(),
            flags,
            is_polled: thread.is_some(),
            overflows: 0,
            message: StampedMessage::new(),
            patience: if thread.is_some() { LAG } else { WIND_DOWN },
            not_send: PhantomData,
        })
    }

    /// Accepts until cancelled or failed.
    pub(super) fn accept(&mut self, number: u32, listener: BorrowedFd<'_>) {
        let request = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        self.push(request.build(), Subject::Accept(number));
    }

    /// Receives until cancelled, ended or failed, or until no buffer is left.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, key: Key) {
        let request = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP);
        self.push(request.build(), Subject::Receive(key));
    }

    /// As [`receive`](Self::receive), with a stamp in front of the bytes: see
    /// [`StampedMessage::unpack`].
    pub(super) fn receive_stamped(&mut self, socket: BorrowedFd<'_>, key: Key) {
        let request = self.message.receive(Fd(socket.as_raw_fd()));
        self.push(request, Subject::Receive(key));
    }

    /// Whether a buffer has room for a stamp in front of a useful number of bytes.
    pub(super) fn can_stamp(&self) -> bool {
        self.buffers.size() >= stamped::LEAST
    }

    /// Polls for `events`, errors and hang-ups: once, or (`multi`) each time something changes.
    pub(super) fn watch(
        &mut self,
        subject: Subject,
        descriptor: BorrowedFd<'_>,
        events: PollFlags,
        multi: bool,
    ) {
        debug_assert!(matches!(
            subject,
            Subject::Watch(_) | Subject::Waker | Subject::Listener(_)
        ));
        let descriptor = Fd(descriptor.as_raw_fd());
        let request = opcode::PollAdd::new(descriptor, events.bits().into()).multi(multi);
        self.push(request.build(), subject);
    }

    /// Cancels the request of `subject`, which then completes one last time; if it is not
    /// found, [`Completion::NotCancelled`] is reported instead.
    pub(super) fn cancel(&mut self, subject: Subject) {
        let Some(cancelling) = subject.cancelled() else { return };
        let request = opcode::AsyncCancel::new(subject.to_user_data()).build();
        self.push(request.flags(Flags::SKIP_SUCCESS), cancelling);
    }

    /// Cancels all requests and waits for the last completion of each, at most `patience`;
    /// whether all have completed. Their completions are discarded.
    fn wind_down(&mut self, patience: Nanos) -> bool {
        // These never reached the kernel.
        self.requests.clear();
        let until = clock::now().saturating_add(patience);
        let mut asks = true;
        while self.outstanding > 0 && clock::now() < until {
            if asks {
                let cancel = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
                self.push(cancel.flags(Flags::SKIP_SUCCESS), Subject::CancelAccept(0));
            }
            let before = self.outstanding;
            if self.enter(Some(MILLISECOND)).is_err() {
                break;
            }
            self.completions.clear();
            // Those that were about to continue were not found, and are the next time.
            asks = self.outstanding == before;
        }
        let ended = self.outstanding == 0;
        if ended {
            self.fence();
        }
        ended
    }

    /// Has a kernel thread let go of the descriptors of requests that have completed, which it does
    /// a moment after that: files that are closed from now on are closed at once.
    pub(super) fn fence(&mut self) {
        if !self.is_polled {
            return;
        }
        self.push(opcode::Nop::new().build(), Subject::Fence);
        let until = clock::now() + LAG;
        while clock::now() < until && self.enter(Some(MILLISECOND)).is_ok() {
            if self.completions.iter().any(|it| matches!(it, Completion::Fenced)) {
                break;
            }
            std::thread::yield_now();
        }
        self.completions.retain(|it| !matches!(it, Completion::Fenced));
    }

    fn push(&mut self, request: Entry, subject: Subject) {
        self.requests.push_back((request.user_data(subject.to_user_data()), subject));
    }

    /// Requests that were not submitted yet.
    #[cfg(test)]
    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }

    /// The oldest pending completion.
    pub(super) fn next(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// Pending completions.
    pub(super) fn completions(&self) -> &VecDeque<Completion> {
        &self.completions
    }

    /// Removes the pending completions for which `keep` returns false.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Completion) -> bool) {
        self.completions.retain(keep);
    }

    /// Whether requests complete at any time, and not only in [`enter`](Self::enter).
    pub(super) fn is_polled(&self) -> bool {
        self.is_polled
    }

    /// Submits all requests and waits for completions, at most `timeout`, forever with `None`.
    /// The kernel completes a few dozen requests at a time.
    ///
    /// # Errors
    /// When the ring is unusable.
    pub(super) fn enter(&mut self, timeout: Option<Nanos>) -> io::Result<()> {
        if timeout == Some(0) && self.is_quiet() {
            return Ok(());
        }
        let mut in_vain = 0;
        loop {
            let last = self.hand_over();
            let queued = self.kernel.submission().len();
            let waits = last && self.completions.is_empty();
            self.call(if waits { timeout } else { Some(0) })?;
            let completed = self.take_completions();
            if completed > 0 && self.has_overflown() {
                // The rest is with the kernel, and newer completions line up behind it. It is
                // finite: a request that completes again and again ends when it does not fit.
                self.overflows += 1;
                continue;
            }
            let left = self.kernel.submission().len();
            // A kernel thread takes the last ones in its own time.
            let stays = left > 0 && left == queued && !(last && self.is_polled);
            if completed == 0 && stays {
                // The kernel has no memory for more requests at the moment, or its thread has not
                // come to them. What is left is submitted by later calls; the caller has
                // deadlines to keep.
                std::thread::sleep(PAUSE);
                in_vain += 1;
                if in_vain == ATTEMPTS {
                    return Ok(());
                }
            } else if last {
                return Ok(());
            }
        }
    }

    /// Whether more would complete at once.
    pub(super) fn has_more(&mut self) -> bool {
        self.kernel.submission().taskrun() || !self.kernel.completion().is_empty()
    }

    /// Whether completions did not fit into the queue and are kept by the kernel.
    fn has_overflown(&mut self) -> bool {
        self.kernel.submission().cq_overflow()
    }

    /// Whether there is nothing to submit and nothing pending; needs no system call.
    fn is_quiet(&mut self) -> bool {
        let submissions = self.kernel.submission();
        let quiet = submissions.is_empty()
            && !submissions.taskrun()
            && !submissions.cq_overflow()
            && self.requests.is_empty();
        drop(submissions);
        quiet && self.kernel.completion().is_empty()
    }

    /// Moves requests into the submission queue; whether that was all of them.
    fn hand_over(&mut self) -> bool {
        let mut submissions = self.kernel.submission();
        while let Some((request, subject)) = self.requests.front() {
            // SAFETY: a request names a descriptor and registered buffers, or the message of
            // the ring. Descriptors stay open until the last completion of each request that
            // names them, which the reactor sees to; buffers and message are freed only after
            // the last completion of every request, or never: see `drop`. So it does not matter
            // when the kernel reads the request: in a later call, or in its thread at any time.
            if unsafe { submissions.push(request) }.is_err() {
                return false;
            }
            self.outstanding += usize::from(!subject.is_cancellation());
            self.requests.pop_front();
        }
        true
    }

    fn call(&mut self, timeout: Option<Nanos>) -> io::Result<()> {
        let submissions = self.kernel.submission();
        let (count, mut flags, mut timeout) = (submissions.len() as u32, self.flags, timeout);
        if self.is_polled {
            // Asked after the requests are in the queue, with a full barrier in between, as the
            // thread looks for requests after it has said that it goes to sleep.
            let wakes = count > 0 && submissions.need_wakeup();
            let overflown = submissions.cq_overflow();
            drop(submissions);
            if overflown || !self.kernel.completion().is_empty() {
                timeout = Some(0);
            }
            if timeout == Some(0) && !wakes && !overflown {
                return Ok(());
            }
            flags.set(EnterFlags::SQ_WAKEUP, wakes);
        } else {
            drop(submissions);
        }
        let submitter = self.kernel.submitter();
        let called = if let Some(timeout @ 1..) = timeout {
            let timeout = Timespec::new().sec(timeout / SECOND).nsec((timeout % SECOND) as u32);
            let arguments = SubmitArgs::new().timespec(&timeout);
            let flags = flags | EnterFlags::EXT_ARG;
            // SAFETY: with EXT_ARG the argument is what it points to, which outlives the call.
            unsafe { submitter.enter(count, 1, flags.bits(), Some(&arguments)) }
        } else {
            let least = u32::from(timeout.is_none());
            // SAFETY: there is no argument.
            unsafe { submitter.enter::<libc::sigset_t>(count, least, flags.bits(), None) }
        };
        match called {
            Ok(_) => Ok(()),
            // Timeout, interrupted, or pending completions must be processed first.
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Takes what has completed; returns how many did.
    fn take_completions(&mut self) -> usize {
        let mut taken = 0;
        for entry in self.kernel.completion() {
            taken += 1;
            let subject = Subject::from_user_data(entry.user_data());
            if !cqueue::more(entry.flags()) && !subject.is_cancellation() {
                self.outstanding = self.outstanding.saturating_sub(1);
            }
            // SAFETY: the entry comes from the queue, once, and the requests of this ring have
            // these buffers.
            self.completions.push_back(unsafe { Completion::of(&entry, &self.buffers) });
        }
        taken
    }
}

impl Drop for Ring {
    /// close(2) of a ring returns before the kernel has torn it down, so all requests are ended
    /// first: then nobody writes to the buffers any more, and sockets close where they are
    /// dropped, not later. If the kernel does not confirm that, the memory is leaked.
    fn drop(&mut self) {
        let ended = self.wind_down(self.patience);
        if !ended || self.kernel.submitter().unregister_buf_ring(GROUP).is_err() {
            std::mem::forget(self.buffers.clone());
            std::mem::forget(std::mem::replace(&mut self.message, StampedMessage::new()));
        }
    }
}
