//! Memory that this process may use: [`usable`]. That of the machine, of its control group or of
//! its own resource limits, whichever is least.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::cgroup::MemoryGroup;

/// Bytes that this process may use; `None` if nobody says so.
pub fn usable() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = MemoryGroup::of_self().and_then(|group| group.limit());
    let own = [Resource::As, Resource::Data].map(|limit| getrlimit(limit).current);
    own.into_iter().chain([machine, group]).flatten().min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_memory_of_the_machine() {
        let text = "MemTotal:        4028296 kB\nMemFree:  1 kB\n";
        assert_eq!(total(text), Some(4_028_296 << 10));
        for text in ["", "MemTotal: kB\n", "MemTotal: 5\n"] {
            assert_eq!(total(text), None, "{text}");
        }
    }

    #[test]
    fn this_machine_has_some() {
        assert!(usable().is_some_and(|bytes| bytes > 1 << 20));
    }
}
