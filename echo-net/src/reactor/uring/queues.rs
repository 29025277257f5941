//! The queues of a ring before it has one: their sizes, and who serves them: [`Queues`].

use io_uring::IoUring;

use super::kernel_thread::KernelThread;
use super::unavailable::Unavailable;

/// Sizes of the queues of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queues {
    /// Maximum number of requests submitted per system call.
    pub(super) submissions: u32,
    /// Maximum number of completions that were not taken yet; the kernel keeps more at a cost.
    pub(super) completions: u32,
}

impl Queues {
    /// Of a ring that serves.
    pub(super) const FULL: Self = Self { submissions: 1024, completions: 8 * 1024 };

    /// A ring with these queues, which this kernel thread serves; without one the thread that
    /// calls this.
    pub(super) fn build(self, thread: Option<&KernelThread>) -> Result<IoUring, Unavailable> {
        let mut builder = IoUring::builder();
        builder.setup_submit_all().setup_cqsize(self.completions);
        match thread {
            Some(thread) => thread.serve(&mut builder),
            None => {
                builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
            }
        }
        builder
            .build(self.submissions)
            .map_err(|reason| Unavailable { asked: "a ring (io_uring_setup)", reason })
    }
}
