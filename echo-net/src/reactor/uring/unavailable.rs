//! Why `io_uring` is unavailable: [`Unavailable`].

use std::io;

/// The kernel or a sandbox denies a sufficient ring.
#[derive(Debug, thiserror::Error)]
#[error("io_uring is unavailable: {asked}: {reason}{}", cause(reason))]
pub struct Unavailable {
    /// What was requested.
    pub asked: &'static str,
    /// The kernel's error.
    pub reason: io::Error,
}

/// What the error means here; the kernel uses the same few codes for all of it.
fn cause(reason: &io::Error) -> &'static str {
    match reason.raw_os_error() {
        Some(libc::ENOSYS) => " (the kernel was built without it, or a sandbox hides it)",
        Some(libc::EPERM | libc::EACCES) => {
            " (the sysctl kernel.io_uring_disabled or a sandbox, such as a container's \
             default seccomp profile, forbids it)"
        }
        Some(libc::EINVAL) => " (Linux 6.1 or newer is needed)",
        Some(libc::EAGAIN) => {
            " (the limit of processes, ulimit -u, or pids.max of the cgroup may be reached)"
        }
        Some(libc::ENOMEM) => " (the limit of locked memory, ulimit -l, may be too low)",
        _ => "",
    }
}

impl From<Unavailable> for io::Error {
    fn from(error: Unavailable) -> Self {
        Self::new(error.reason.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_was_asked_for_the_answer_and_what_it_means() {
        for (errno, meaning) in [
            (libc::ENOSYS, "built without"),
            (libc::EPERM, "seccomp"),
            (libc::EINVAL, "6.1"),
            (libc::EAGAIN, "ulimit -u"),
            (libc::ENOMEM, "ulimit -l"),
        ] {
            let reason = io::Error::from_raw_os_error(errno);
            let told = io::Error::from(Unavailable { asked: "a ring", reason }).to_string();
            assert!(told.contains("a ring") && told.contains(meaning), "{told}");
        }
    }
}
