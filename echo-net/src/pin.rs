//! CPU affinity of threads: [`pin_thread`], and which CPUs there are: [`allowed`],
//! [`allowed_by_core`], [`allowed_by_node`].

use std::fs;
use std::io;

use crate::settings::CpuList;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that the calling thread is allowed to use, in ascending order.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// The same with one CPU of each physical core first, so that those at the front share as
/// little as they can. Without word of the kernel each CPU is a core.
pub fn allowed_by_core() -> io::Result<Vec<usize>> {
    Ok(by_core(&allowed()?, core_of))
}

/// `cpus` in the order of their places among those of one core.
fn by_core(cpus: &[usize], core_of: impl Fn(usize) -> String) -> Vec<usize> {
    let cores: Vec<String> = cpus.iter().map(|&cpu| core_of(cpu)).collect();
    let place = |at: usize| cores[..at].iter().filter(|core| **core == cores[at]).count();
    let mut placed: Vec<(usize, usize)> =
        cpus.iter().enumerate().map(|(at, &cpu)| (place(at), cpu)).collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, cpu)| cpu).collect()
}

/// The CPUs of the physical core of `cpu`, as the kernel writes them.
fn core_of(cpu: usize) -> String {
    let file = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(file).unwrap_or_else(|_| cpu.to_string())
}

/// The CPUs that the calling thread is allowed to use, by NUMA node; nodes without such are left
/// out. Without word of the kernel there are none.
pub fn allowed_by_node() -> io::Result<Vec<Vec<usize>>> {
    let folders = fs::read_dir("/sys/devices/system/node").into_iter().flatten().flatten();
    let mut nodes: Vec<(u32, String)> = folders
        .filter_map(|folder| {
            let number = folder.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            Some((number, fs::read_to_string(folder.path().join("cpulist")).ok()?))
        })
        .collect();
    nodes.sort_unstable();
    let lists: Vec<String> = nodes.into_iter().map(|(_, list)| list).collect();
    Ok(by_node(&allowed()?, &lists))
}

/// Those of `cpus` that are in each of these lists, as the kernel writes them: `0-3,8-11`.
fn by_node(cpus: &[usize], lists: &[String]) -> Vec<Vec<usize>> {
    // The list of a node that has memory alone is empty.
    let nodes = lists.iter().filter_map(|list| list.trim().parse::<CpuList>().ok());
    let allowed = nodes.map(|node| {
        cpus.iter().copied().filter(|cpu| node.cpus().contains(cpu)).collect::<Vec<usize>>()
    });
    allowed.filter(|node| !node.is_empty()).collect()
}

/// Restricts the calling thread, and threads that it starts, to `cpus`.
///
/// # Errors
/// When none of them exists or all are forbidden for this process.
pub fn pin_thread(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_of_each_core_comes_first() {
        let pairs = |cpu: usize| format!("{},{}", cpu / 2 * 2, cpu / 2 * 2 + 1);
        assert_eq!(by_core(&[0, 1, 2, 3], pairs), [0, 2, 1, 3]);
        assert_eq!(by_core(&[1, 2, 3], pairs), [1, 2, 3]);
        assert_eq!(by_core(&[0, 1, 2], |cpu| cpu.to_string()), [0, 1, 2]);
        let mut all = allowed_by_core().unwrap();
        all.sort_unstable();
        assert_eq!(all, allowed().unwrap());
    }

    #[test]
    fn nodes_have_the_cpus_that_may_be_used() {
        let lists = |lists: &[&str]| lists.iter().map(ToString::to_string).collect::<Vec<_>>();
        let two = lists(&["0-3,8-11\n", "4-7,12-15\n"]);
        let all: Vec<usize> = (0..16).collect();
        assert_eq!(
            by_node(&all, &two),
            [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]
        );
        assert_eq!(by_node(&[2, 3, 4], &two), [vec![2, 3], vec![4]]);
        assert_eq!(by_node(&[2, 3], &two), [[2, 3]]);
        // Memory without CPUs, and what nobody can read.
        assert_eq!(by_node(&[0, 1], &lists(&["0-1\n", "\n", "x"])), [[0, 1]]);
        let here = allowed_by_node().unwrap().concat();
        assert!(here.iter().all(|cpu| allowed().unwrap().contains(cpu)), "{here:?}");
    }

    #[test]
    fn a_pinned_thread_may_run_nowhere_else() {
        let last = *allowed().unwrap().last().unwrap();
        let pinned = std::thread::spawn(move || {
            pin_thread(&[last]).unwrap();
            allowed().unwrap()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
        assert!(pin_thread(&[]).is_err());
    }
}
