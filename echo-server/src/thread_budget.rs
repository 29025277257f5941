//! How many threads this process may still start: [`budget`]; and whether it can start some:
//! [`try_start`]. Exceeding the budget does not always return an error: where no mapping is left
//! for a new thread's signal stack, the process is aborted.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use crate::capacity::Capacity;

/// Memory mappings that a connection's thread may need: its stack, the signal stack, a guard
/// page for each, and two buffers large enough for their own mapping.
const MAPPINGS_PER_THREAD: u64 = 6;

/// Mappings reserved for the rest of the process.
const SPARE_MAPPINGS: u64 = 1024;

/// Threads reserved for the rest of the system where a limit is not per process.
const SPARE_THREADS: u64 = 64;

/// How long the kernel may take to remove threads that have ended.
const REMOVAL: Duration = Duration::from_millis(200);

/// The error of a thread that could not be started.
pub(crate) fn cannot_start(thread: &str, reason: &io::Error) -> io::Error {
    let remedy = "raise the process limit (ulimit -u) or pids.max of the cgroup";
    io::Error::new(reason.kind(), format!("can't start {thread}: {reason} ({remedy})"))
}

/// The error of a worker's thread that could not be started.
pub(crate) fn cannot_start_worker(
    number: usize,
    workers: usize,
    reason: &io::Error,
) -> io::Error {
    too_many(&format!("worker thread {} of {workers}", number + 1), reason)
}

/// The error of a worker's process that could not be started.
pub(crate) fn cannot_start_process(
    number: usize,
    workers: usize,
    reason: &io::Error,
) -> io::Error {
    too_many(&format!("worker process {} of {workers}", number + 1), reason)
}

fn too_many(worker: &str, reason: &io::Error) -> io::Error {
    let remedy = "use fewer --workers, or raise the process limit (ulimit -u) or pids.max of the \
                  cgroup";
    io::Error::new(reason.kind(), format!("can't start {worker}: {reason} ({remedy})"))
}

/// Starts `count` threads, all at once, and ends them; for callers whose own threads are started
/// by a library that panics where it can't.
///
/// # Errors
/// When not all could be started, with the number of those that could.
pub(crate) fn try_start(count: usize) -> Result<(), (usize, io::Error)> {
    let before = threads();
    let outcome = thread::scope(|scope| {
        let (mut started, mut outcome) = (Vec::new(), Ok(()));
        for number in 0..count {
            match thread::Builder::new().spawn_scoped(scope, thread::park) {
                Ok(thread) => started.push(thread),
                Err(reason) => {
                    outcome = Err((number, reason));
                    break;
                }
            }
        }
        for thread in started {
            thread.thread().unpark();
        }
        outcome
    });
    // They count until the kernel has removed them, which is after they were joined.
    let begin = Instant::now();
    while threads() > before && begin.elapsed() < REMOVAL {
        thread::sleep(Duration::from_millis(1));
    }
    outcome
}

/// Threads of this process; `None` if that is unknown.
fn threads() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

/// The tightest limit on threads of this process.
pub(crate) fn budget() -> Option<Capacity> {
    let limits = [
        ("vm.max_map_count (sysctl)", by_mappings()),
        ("kernel.threads-max (sysctl)", number("/proc/sys/kernel/threads-max")),
        ("kernel.pid_max (sysctl)", number("/proc/sys/kernel/pid_max")),
        ("the process limit (ulimit -u)", getrlimit(Resource::Nproc).current),
        ("pids.max of the cgroup", by_control_group()),
    ];
    let tightest = limits.into_iter().filter_map(|(name, limit)| Some((limit?, name))).min()?;
    let (threads, name) = tightest;
    Some(Capacity {
        connections: threads.saturating_sub(SPARE_THREADS.min(threads / 2)).max(1),
        bound_by: name.to_owned(),
    })
}

fn by_mappings() -> Option<u64> {
    let most = number("/proc/sys/vm/max_map_count")?;
    let used = fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    Some(most.saturating_sub(used as u64 + SPARE_MAPPINGS) / MAPPINGS_PER_THREAD)
}

/// The smallest remaining allowance of the process's cgroup and its ancestors.
fn by_control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        // Version 2 has one unnamed hierarchy, version 1 one per controller.
        match controllers {
            "" => Some(Path::new("/sys/fs/cgroup").join(path)),
            "pids" => Some(Path::new("/sys/fs/cgroup/pids").join(path)),
            _ => None,
        }
    };
    groups
        .lines()
        .filter_map(path)
        .flat_map(|group| group.ancestors().map(Path::to_owned).collect::<Vec<_>>())
        .filter_map(|group| {
            // "max" is not a number and means no limit.
            let most = number(group.join("pids.max"))?;
            Some(most.saturating_sub(number(group.join("pids.current")).unwrap_or(0)))
        })
        .min()
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_can_be_started_are_gone_again() {
        assert!(try_start(20).is_ok());
    }

    #[test]
    fn names_a_limit_that_leaves_room_for_a_mapping_abort() {
        let budget = budget().unwrap();
        let mappings = number("/proc/sys/vm/max_map_count").unwrap();
        assert!(budget.connections * MAPPINGS_PER_THREAD < mappings, "{budget:?}");
        assert!(!budget.bound_by.is_empty());
    }
}
