//! What a process or a thread has cost: [`Usage`]. Reads the kernel's accounts; starts and
//! stops nothing.

#![expect(unsafe_code, reason = "getrusage is in no safe crate")]

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has used since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time, user and system, of all threads that live or have lived.
    pub cpu: Duration,
    /// Times it gave up the CPU by itself, to wait.
    pub voluntary_switches: u64,
    /// Times the CPU was taken from it.
    pub involuntary_switches: u64,
    /// Most memory it ever had resident, in bytes.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// This process.
    pub fn of_self() -> io::Result<Self> {
        rusage(libc::RUSAGE_SELF)
    }

    /// The calling thread; its memory is that of the process.
    pub fn of_thread() -> io::Result<Self> {
        rusage(libc::RUSAGE_THREAD)
    }

    /// Another process of this machine, from its `/proc` entry: nanosecond CPU accounts of
    /// its live threads, so threads that ended in between are missing from a difference.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let mut usage = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // A thread that ends meanwhile is no error.
            let Ok(schedstat) = fs::read_to_string(task.join("schedstat")) else { continue };
            let ran_ns = schedstat.split(' ').next().and_then(|ns| ns.parse().ok());
            usage.cpu += Duration::from_nanos(ran_ns.unwrap_or(0));
            let status = fs::read_to_string(task.join("status")).unwrap_or_default();
            usage.voluntary_switches += field(&status, "voluntary_ctxt_switches:");
            usage.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        usage.peak_rss_bytes = field(&status, "VmHWM:") * 1024;
        Ok(usage)
    }

    /// What was used since `earlier`; the memory stays that of now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            voluntary_switches: self
                .voluntary_switches
                .saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

/// The number of a line `name value` of a `/proc` status file; 0 where there is none.
fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

fn rusage(who: libc::c_int) -> io::Result<Usage> {
    // SAFETY: `rusage` is plain numbers, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to `usage`, which outlives the call.
    if unsafe { libc::getrusage(who, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    Ok(Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        voluntary_switches: usage.ru_nvcsw as u64,
        involuntary_switches: usage.ru_nivcsw as u64,
        peak_rss_bytes: usage.ru_maxrss as u64 * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_both_accounts_of_this_process() {
        let before =
            (Usage::of_self().unwrap(), Usage::of_process(std::process::id()).unwrap());
        let mut sum = 0_u64;
        let begin = crate::clock::now();
        while crate::clock::now() - begin < 50 * crate::clock::MILLISECOND {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        let own = Usage::of_self().unwrap().since(&before.0);
        let seen = Usage::of_process(std::process::id()).unwrap().since(&before.1);
        assert!(own.cpu > Duration::from_millis(5), "{own:?}");
        assert!(seen.cpu > Duration::from_millis(5), "{seen:?}");
        assert!(seen.peak_rss_bytes > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of_process(u32::MAX).is_err());
    }
}
