//! Counters that several processes share: [`SharedWords`], in memory that has no name and goes to
//! another program as a descriptor.

#![expect(unsafe_code, reason = "memory is mapped")]

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// The seals that keep the memory as long as it is.
const SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// See the [module](self). All begin with 0.
pub struct SharedWords {
    memory: OwnedFd,
    first: NonNull<AtomicU64>,
    length: usize,
}

impl SharedWords {
    /// `length` words, at least one.
    ///
    /// # Errors
    /// When there is no memory or no descriptor left.
    pub fn new(length: usize) -> io::Result<Self> {
        let memory =
            memfd_create("shared-words", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memory, size_of::<AtomicU64>().saturating_mul(length) as u64)?;
        fcntl_add_seals(&memory, SIZE)?;
        Self::map(memory, length)
    }

    /// Those that another process has made, `length` of them.
    ///
    /// # Errors
    /// When the descriptor is not theirs, or they are fewer.
    pub fn map(memory: OwnedFd, length: usize) -> io::Result<Self> {
        let unfit = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let bytes = length.checked_mul(size_of::<AtomicU64>()).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| unfit("invalid length"))?;
        if !fcntl_get_seals(&memory)?.contains(SIZE) {
            return Err(unfit("the memory is not sealed against truncation"));
        }
        let there = u64::try_from(rustix::fs::fstat(&memory)?.st_size).unwrap_or(0);
        if there < bytes as u64 {
            return Err(unfit("the memory is too small"));
        }
        // SAFETY: a new mapping at an address that the kernel chooses concerns nobody else. The
        // descriptor is that of a file of at least `bytes` bytes.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                memory.as_raw_fd(),
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(mapped.cast()).ok_or_else(|| unfit("mapped at address 0"))?;
        Ok(Self { memory, first, length })
    }

    /// The memory, to be passed to another program.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is that long, aligned to a page, writable, and lives as long as
        // `self`. The seals keep the file from being cut, so that every word is there. Any bytes
        // are an `AtomicU64`, and every process uses them only as such.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this address and length, and nothing borrows from it any
        // more.
        unsafe {
            libc::munmap(self.first.as_ptr().cast(), self.length * size_of::<AtomicU64>());
        }
    }
}

// SAFETY: it owns a mapping of atomics, which any thread may use and unmap.
unsafe impl Send for SharedWords {}

// SAFETY: a shared reference gives access to atomics and the descriptor only.
unsafe impl Sync for SharedWords {}

impl fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWords").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn whoever_has_the_memory_has_the_same_words() {
        let words = SharedWords::new(700).unwrap();
        let other =
            SharedWords::map(words.memory().try_clone_to_owned().unwrap(), 700).unwrap();
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        words[699].fetch_add(3, Ordering::Relaxed);
        other[699].fetch_sub(1, Ordering::Relaxed);
        assert_eq!(words[699].load(Ordering::Relaxed), 2);
        drop(words);
        assert_eq!(other[699].load(Ordering::Relaxed), 2);
        assert_eq!(other.len(), 700);
    }

    #[test]
    fn memory_that_is_too_small_or_could_become_so_is_refused() {
        let words = SharedWords::new(1).unwrap();
        let memory = || words.memory().try_clone_to_owned().unwrap();
        for length in [0, 2, usize::MAX] {
            assert!(SharedWords::map(memory(), length).is_err(), "{length}");
        }
        let unsealed = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&unsealed, 4096).unwrap();
        assert!(SharedWords::map(unsealed, 1).is_err());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(SharedWords::map(file.into(), 1).is_err());
    }
}
