//! Resource usage of a process or a thread: [`Usage`], as the kernel reports it.

#![expect(unsafe_code, reason = "getrusage and clock_getcpuclockid are in no safe crate")]

use std::fs;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::SECOND;

/// Resources used by a process since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, user and system, of all its threads, including finished ones.
    pub cpu: Duration,
    /// Voluntary context switches.
    pub voluntary_switches: Option<u64>,
    /// Involuntary context switches.
    pub involuntary_switches: Option<u64>,
    /// Peak resident set size in bytes.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// This process.
    pub fn of_self() -> io::Result<Self> {
        rusage()
    }

    /// Another process on this machine: CPU time from its CPU clock, which includes finished
    /// threads, the rest from `/proc`. Context switches are those of its live threads, and
    /// `None` beyond 256 threads.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let cpu = process_cpu(pid)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let switches = context_switches(pid)?;
        Ok(Self {
            cpu,
            voluntary_switches: switches.map(|(voluntary, _)| voluntary),
            involuntary_switches: switches.map(|(_, involuntary)| involuntary),
            peak_rss_bytes: peak_rss(&status),
        })
    }

    /// That of two processes together; the peak RSS is the sum of the peaks.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        Self {
            cpu: self.cpu + other.cpu,
            voluntary_switches: sum(self.voluntary_switches, other.voluntary_switches),
            involuntary_switches: sum(self.involuntary_switches, other.involuntary_switches),
            peak_rss_bytes: self.peak_rss_bytes + other.peak_rss_bytes,
        }
    }

    /// The difference to `earlier`; the peak RSS is the current one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let difference =
            |later: Option<u64>, earlier: Option<u64>| Some(later?.saturating_sub(earlier?));
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            voluntary_switches: difference(self.voluntary_switches, earlier.voluntary_switches),
            involuntary_switches: difference(
                self.involuntary_switches,
                earlier.involuntary_switches,
            ),
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

/// What all CPUs of the machine have done since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Time in which they ran anything, interrupts too.
    pub busy: Duration,
    /// Time in which they had work and the hypervisor ran something else.
    pub stolen: Duration,
}

impl Machine {
    /// As of now, to a hundredth of a second; `None` where the kernel does not say.
    pub fn read() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// By `/proc/stat` (`proc_stat(5)`): user, nice, system, idle, iowait, irq, softirq, steal.
    fn of(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        let mut ticks = [0_u64; 8];
        let values = line.split_whitespace().skip(1);
        for (tick, value) in ticks.iter_mut().zip(values) {
            *tick = value.parse().ok()?;
        }
        let [user, nice, system, _, _, irq, softirq, steal] = ticks;
        // The kernel counts in hundredths of a second here, whatever its timer does.
        let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(10));
        let busy = [user, nice, system, irq, softirq].into_iter().fold(0, u64::saturating_add);
        Some(Self { busy: time(busy), stolen: time(steal) })
    }
}

/// CPU time of the calling thread in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64
}

/// The CPU clock of a process (`clock_getcpuclockid(3)`).
fn process_cpu(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to `clock`, which outlives the call.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: `timespec` is plain numbers, for which all zeros is a valid value.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to `time`, which outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Maximum number of threads whose context switches are read one by one; more would cost too
/// much.
pub(crate) const MOST_THREADS: usize = 256;

/// (voluntary, involuntary) context switches of the live threads of a process; `None` if there
/// are too many.
fn context_switches(pid: u32) -> io::Result<Option<(u64, u64)>> {
    let mut sum = (0, 0);
    for (number, task) in fs::read_dir(format!("/proc/{pid}/task"))?.enumerate() {
        if number == MOST_THREADS {
            return Ok(None);
        }
        // A thread that ends meanwhile is not an error.
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        sum.0 += field(&status, "voluntary_ctxt_switches:");
        sum.1 += field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(Some(sum))
}

/// Peak RSS in bytes from a `/proc/PID/status` file.
fn peak_rss(status: &str) -> u64 {
    field(status, "VmHWM:") * 1024
}

/// The number in a line `name value` of a `/proc/PID/status` file; 0 if it is missing.
fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

fn rusage() -> io::Result<Usage> {
    // SAFETY: `rusage` is plain numbers, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to `usage`, which outlives the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    Ok(Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        voluntary_switches: Some(usage.ru_nvcsw as u64),
        involuntary_switches: Some(usage.ru_nivcsw as u64),
        // Not `ru_maxrss`, which is inherited from the parent.
        peak_rss_bytes: peak_rss(&fs::read_to_string("/proc/self/status")?),
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
    fn the_machines_account_is_read_and_half_of_one_is_not() {
        let text = "cpu  1 2 3 40 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        let machine = Machine::of(text).unwrap();
        assert_eq!(machine.busy, Duration::from_millis(190));
        assert_eq!(machine.stolen, Duration::from_millis(80));
        assert_eq!(Machine::of("cpu  1 x\n"), None);
        assert!(Machine::read().is_some());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of_process(u32::MAX).is_err());
    }
}
