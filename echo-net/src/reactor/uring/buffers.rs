//! Receive buffers provided to the kernel: [`Buffers`], a provided buffer ring
//! (`io_uring_register_buf_ring(3)`). A filled buffer is a [`Lease`], which returns to the
//! kernel when it is dropped.

#![expect(unsafe_code, reason = "memory that is shared with the kernel")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::io;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::memory;

/// The only buffer group of a ring.
pub(super) const GROUP: u16 = 0;

/// Largest target size of all buffers. Pages are touched only when used.
const MEMORY: usize = 16 << 20;

/// All buffers take no more than this part of the memory that the process may use: each worker of
/// a server has its own.
const PART_OF_MEMORY: u64 = 32;

/// Minimum and maximum number of buffers, which bounds the completions before one is handled.
const FEWEST: usize = 8;
const MOST: usize = 1024;

/// Added to each buffer, so that the first cache lines of all buffers do not map to the same
/// set.
const SKEW: usize = 64;

/// The ring of entries must be page-aligned.
const PAGE: usize = 4096;

/// See the [module](self). Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Buffers(Rc<SharedBuffers>);

#[derive(Debug)]
struct SharedBuffers {
    memory: NonNull<u8>,
    memory_layout: Layout,
    entries: NonNull<BufRingEntry>,
    entries_layout: Layout,
    /// A power of two.
    count: u16,
    /// Bytes of one buffer, without the skew.
    size: usize,
    /// Entries written so far; the kernel consumes them in order.
    tail: Cell<u16>,
}

impl Buffers {
    /// Buffers of `size` bytes each, all available to the kernel once they are
    /// [registered](Self::register).
    pub(super) fn new(size: usize) -> Self {
        let size = size.clamp(1, MEMORY);
        let part = memory::usable().map_or(u64::MAX, |bytes| bytes / PART_OF_MEMORY);
        let memory = MEMORY.min(usize::try_from(part).unwrap_or(usize::MAX));
        let count = (memory / size).next_power_of_two().clamp(FEWEST, MOST);
        let memory_layout = Layout::array::<u8>((size + SKEW) * count)
            .expect("8 buffers of 16 MiB fit into the address space");
        let entries_layout = Layout::array::<BufRingEntry>(count)
            .and_then(|layout| layout.align_to(PAGE))
            .expect("1024 entries fit into the address space");
        let buffers = Self(Rc::new(SharedBuffers {
            memory: zeroed(memory_layout),
            memory_layout,
            entries: zeroed(entries_layout).cast(),
            entries_layout,
            count: count as u16,
            size,
            tail: Cell::new(0),
        }));
        for id in 0..count as u16 {
            buffers.0.offer(id);
        }
        buffers
    }

    /// Registers the buffers.
    ///
    /// # Safety
    /// The caller keeps a clone of `self` until all requests that may use the buffers have
    /// completed and they are unregistered; for ever, if it can't be sure of that. Closing the
    /// ring is not enough: the kernel tears it down later.
    pub(super) unsafe fn register(&self, ring: &Submitter<'_>) -> io::Result<()> {
        let address = self.0.entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, initialised, `count` many, and live until
        // the kernel has given them up, which the caller promises.
        unsafe { ring.register_buf_ring_with_flags(address, self.0.count, GROUP, 0) }
    }

    /// Buffer `id` with its first `length` bytes filled; `None` if there is no such buffer.
    ///
    /// # Safety
    /// The kernel has handed this buffer over and no lease of it exists.
    pub(super) unsafe fn lease(&self, id: u16, length: usize) -> Option<Lease> {
        let valid = id < self.0.count && length <= self.0.size;
        valid.then(|| Lease { shared: Rc::clone(&self.0), id, bytes: 0..length })
    }

    /// Tells whether they still exist, without keeping them.
    #[cfg(test)]
    pub(super) fn witness(&self) -> impl Fn() -> bool + use<> {
        let buffers = Rc::downgrade(&self.0);
        move || buffers.strong_count() > 0
    }

    /// Bytes of one buffer.
    pub(super) fn size(&self) -> usize {
        self.0.size
    }
}

impl SharedBuffers {
    /// Returns a buffer to the kernel, which may write to it from now on.
    fn offer(&self, id: u16) {
        let tail = self.tail.get();
        let place = usize::from(tail & (self.count - 1));
        // SAFETY: `place` is below `count`. Only this thread writes entries, and the kernel
        // reads one only when the tail is past it.
        let entry = unsafe { self.entries.add(place).as_mut() };
        entry.set_addr(self.start_of(id).as_ptr() as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail.set(tail.wrapping_add(1));
        // SAFETY: the tail lies in a part of the first entry that no entry uses; it is
        // aligned to two bytes, and the kernel reads it as an atomic, too.
        let published =
            unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        published.store(self.tail.get(), Ordering::Release);
    }

    fn start_of(&self, id: u16) -> NonNull<u8> {
        // SAFETY: `id` is below `count`, so the result lies within the memory.
        unsafe { self.memory.add(usize::from(id) * (self.size + SKEW)) }
    }
}

impl Drop for SharedBuffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these layouts, and the kernel no longer writes to
        // them: this is the last clone, which `Buffers::register` demands to be kept until then.
        unsafe {
            dealloc(self.memory.as_ptr(), self.memory_layout);
            dealloc(self.entries.as_ptr().cast(), self.entries_layout);
        }
    }
}

fn zeroed(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here has a size of 0.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Received bytes in a buffer that is not returned to the kernel until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    shared: Rc<SharedBuffers>,
    id: u16,
    /// Which of the buffer's bytes count, all of them initialised.
    bytes: Range<usize>,
}

impl Lease {
    /// Only these of its bytes count from now on.
    pub(super) fn narrow(&mut self, bytes: Range<usize>) {
        let length = self.bytes.len();
        let (start, end) = (bytes.start.min(length), bytes.end.min(length));
        self.bytes = self.bytes.start + start..self.bytes.start + end.max(start);
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the memory is initialised (it began as zeros) and lives as long as the
        // shared part; the kernel writes to this buffer only after it is offered again, in
        // `drop`.
        let all = unsafe {
            std::slice::from_raw_parts(self.shared.start_of(self.id).as_ptr(), self.bytes.end)
        };
        &all[self.bytes.start..]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.offer(self.id);
    }
}
