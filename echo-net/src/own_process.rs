//! What this process uses now: [`OwnProcess`].

use std::fs;
use std::time::Duration;

use crate::cpu::Usage;
use crate::fd_limit;
use crate::process_stat::{StatLine, ticks};

/// Resources of this process. `None` where the kernel does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct OwnProcess {
    /// CPU time, user and system, of all its threads, including finished ones.
    pub cpu: Option<Duration>,
    /// Resident set size in bytes.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors, without the one that reading them takes.
    pub open_fds: Option<u64>,
    /// The limit of open file descriptors; `None` if unlimited.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it started, since the epoch.
    pub started: Option<Duration>,
}

impl OwnProcess {
    /// As of now.
    pub fn read() -> Self {
        let max_fds = fd_limit::current();
        Self {
            cpu: Usage::of_self().ok().map(|usage| usage.cpu),
            resident_bytes: resident_bytes(),
            open_fds: count_entries("/proc/self/fd").map(|count| count.saturating_sub(1)),
            max_fds: Some(max_fds).filter(|&most| most != u64::MAX),
            threads: count_entries("/proc/self/task"),
            started: started(),
        }
    }

    /// That of this process and another one, which it has started: together, but for the limit of
    /// descriptors, which each has for itself, and the start. Memory that they share counts twice.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        Self {
            cpu: self.cpu.zip(other.cpu).map(|(one, other)| one + other),
            resident_bytes: sum(self.resident_bytes, other.resident_bytes),
            open_fds: sum(self.open_fds, other.open_fds),
            threads: sum(self.threads, other.threads),
            ..self
        }
    }
}

/// The second field of `/proc/self/statm`, in pages.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn count_entries(folder: &str) -> Option<u64> {
    Some(fs::read_dir(folder).ok()?.count() as u64)
}

/// The start of the machine (`btime` of `proc_stat(5)`), and this process's start after it.
fn started() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let booted = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted = Duration::from_secs(booted.trim().parse().ok()?);
    Some(booted + ticks(StatLine::of(std::process::id())?.started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn this_process_has_a_size_and_files_and_has_started_lately() {
        let process = OwnProcess::read();
        assert!(process.cpu.is_some() && process.threads >= Some(1), "{process:?}");
        assert!(process.resident_bytes > Some(100_000), "{process:?}");
        let held = fs::File::open("/dev/null").unwrap();
        assert!(OwnProcess::read().open_fds >= Some(4), "three standard streams and one more");
        drop(held);
        let both = process.with(&process);
        assert_eq!(both.cpu, process.cpu.map(|cpu| cpu * 2));
        assert_eq!((both.max_fds, both.started), (process.max_fds, process.started));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let age = now.saturating_sub(process.started.unwrap());
        assert!(age < Duration::from_hours(1), "{age:?}");
    }
}
