//! The processes that descend from another one: [`descendants`], and what they have used
//! together: [`TreeUsage`]. Of those that ended, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::cpu::Usage;
use crate::process_stat::{StatLine, ticks};

/// Most processes of a tree that are looked at; more would cost too much.
const MOST_PROCESSES: usize = 1024;

/// How often a tree that changes under the eye is read again.
const MOST_READS: usize = 3;

/// What the kernel's rounding to ticks may hide of the time of processes that ended: a tick each
/// of user and system time.
const ROUNDING: Duration = Duration::from_millis(20);

/// All living processes that descend from `root`, without it. Children come after their parents.
/// One whose parent has ended belongs to the nearest ancestor that is a child subreaper
/// (`PR_SET_CHILD_SUBREAPER`).
pub fn descendants(root: u32) -> Vec<u32> {
    let own_files = fs::exists("/proc/thread-self/children").unwrap_or(false);
    let table = (!own_files).then(children_by_parent);
    let children = |pid: u32| match &table {
        Some(table) => table.get(&pid).cloned().unwrap_or_default(),
        None => listed_children(pid),
    };
    let (mut found, mut known) = (Vec::new(), BTreeSet::from([root]));
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        for child in children(pid) {
            if known.insert(child) {
                found.push(child);
                next.push(child);
            }
        }
    }
    found
}

/// The children of a process, from `/proc/PID/task/TID/children`.
fn listed_children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let listed = tasks.flatten().map(|task| {
        // A thread that ends meanwhile is no error.
        fs::read_to_string(task.path().join("children")).unwrap_or_default()
    });
    listed
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// The children of all processes, for kernels that do not list them.
fn children_by_parent() -> BTreeMap<u32, Vec<u32>> {
    let mut table: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return table };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in pids {
        if let Some(line) = StatLine::of(pid) {
            table.entry(line.parent).or_default().push(pid);
        }
    }
    table
}

/// Whether a process ignores SIGCHLD, so that the kernel keeps no account of its children
/// (`wait(2)`, notes): bit 17 of the mask in `/proc/PID/status`, counted from 1.
fn ignores_children(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| is_chld_ignored(&status))
}

fn is_chld_ignored(status: &str) -> bool {
    const SIGCHLD: u32 = 17;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SIGCHLD - 1)) != 0)
}

/// What one process was seen to have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    cpu: Duration,
    switches: Option<(u64, u64)>,
}

/// What a look at a tree found.
#[derive(Debug, Clone, Default)]
struct Look {
    /// By pid and start, since a number is used again.
    living: BTreeMap<(u32, u64), Seen>,
    /// CPU time of all that ended and was waited for within the tree, or by its root.
    reaped: Duration,
    peak_rss_bytes: u64,
}

/// What the descendants of a process have used together. It never goes backwards: time of a
/// process that ended is that which whoever waited for it has in its accounts, and else that
/// which it was last seen with.
#[derive(Debug, Clone, Default)]
pub struct TreeUsage {
    last: Look,
    /// CPU time of processes that ended and that nobody accounts for.
    lost: Duration,
    /// Context switches of processes that ended: nobody accounts for these.
    ended_switches: Option<(u64, u64)>,
    peak_rss_bytes: u64,
    cpu: Duration,
    /// Whether processes may have ended whose time nobody accounts for.
    is_partial: bool,
}

impl TreeUsage {
    /// Looks at all processes that descend from `root`, whose own use does not count; `None` if
    /// none was ever there, or one of them ignores SIGCHLD: the time of its children is lost when
    /// they end. Context switches are those of threads that were seen; peak memory
    /// is the sum of the peaks of the processes at one time, in which each counts the memory it
    /// shares.
    pub fn look(&mut self, root: u32) -> Option<Usage> {
        let look = Look::at(root);
        self.add(look);
        self.is_partial |= self.last.living.keys().any(|(pid, _)| ignores_children(*pid));
        let nothing = self.last.living.is_empty() && self.cpu.is_zero();
        (!nothing && !self.is_partial).then(|| self.usage())
    }

    fn add(&mut self, look: Look) {
        let gone =
            self.last.living.iter().filter(|(process, _)| !look.living.contains_key(process));
        let (mut vanished, mut switches) = (Duration::ZERO, Some((0, 0)));
        for (_, seen) in gone {
            vanished += seen.cpu;
            switches = sum(switches, seen.switches);
        }
        // What those that ended had in their accounts of others may be gone, too.
        let missing = (vanished + self.last.reaped).saturating_sub(look.reaped);
        if missing > ROUNDING {
            self.lost += missing;
        }
        self.ended_switches = match self.ended_switches {
            None => switches,
            before => sum(before, switches),
        };
        self.peak_rss_bytes = self.peak_rss_bytes.max(look.peak_rss_bytes);
        let living: Duration = look.living.values().map(|seen| seen.cpu).sum();
        self.cpu = self.cpu.max(living + look.reaped + self.lost);
        self.last = look;
    }

    fn usage(&self) -> Usage {
        let living = self.last.living.values().map(|seen| seen.switches);
        let switches = living.fold(self.ended_switches, sum);
        Usage {
            cpu: self.cpu,
            voluntary_switches: switches.map(|(voluntary, _)| voluntary),
            involuntary_switches: switches.map(|(_, involuntary)| involuntary),
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

fn sum(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let (a, b) = (a?, b?);
    Some((a.0 + b.0, a.1 + b.1))
}

impl Look {
    fn at(root: u32) -> Self {
        let mut look = Self::default();
        for _ in 0..MOST_READS {
            let before = descendants(root);
            look = Self::of(root, &before);
            // One that ended in between may count twice, or not at all.
            if descendants(root) == before {
                break;
            }
        }
        look
    }

    fn of(root: u32, processes: &[u32]) -> Self {
        let reaped = |pid| StatLine::of(pid).map_or(0, |line| line.children_worked);
        let mut look = Self { reaped: ticks(reaped(root)), ..Self::default() };
        for &pid in processes.iter().take(MOST_PROCESSES) {
            let Some(line) = StatLine::of(pid) else { continue };
            let usage = Usage::of_process(pid).unwrap_or(Usage {
                // It has ended, and nobody has waited for it yet.
                cpu: ticks(line.worked),
                ..Usage::default()
            });
            let switches = usage.voluntary_switches.zip(usage.involuntary_switches);
            look.living.insert((pid, line.started), Seen { cpu: usage.cpu, switches });
            look.reaped += ticks(line.children_worked);
            look.peak_rss_bytes += usage.peak_rss_bytes;
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::Instant;

    fn look(living: &[(u32, u64)], reaped_ms: u64) -> Look {
        let seen = |&(pid, cpu_ms): &(u32, u64)| {
            let cpu = Duration::from_millis(cpu_ms);
            ((pid, 0), Seen { cpu, switches: Some((cpu_ms, 1)) })
        };
        let reaped = Duration::from_millis(reaped_ms);
        Look { living: living.iter().map(seen).collect(), reaped, peak_rss_bytes: 5 }
    }

    /// The CPU time in ms after each of these looks.
    fn times(looks: &[Look]) -> Vec<u128> {
        let mut tree = TreeUsage::default();
        let time = |look: &Look| {
            tree.add(look.clone());
            tree.usage().cpu.as_millis()
        };
        looks.iter().map(time).collect()
    }

    #[test]
    fn the_time_of_a_process_that_ended_stays_whoever_waited_for_it() {
        let both = look(&[(1, 100), (2, 300)], 0);
        // Its parent waited: the kernel adds its time to what that one's children used.
        assert_eq!(times(&[both.clone(), look(&[(1, 110)], 310)]), [400, 420]);
        // Its parent ignores SIGCHLD: its time is in nobody's accounts.
        assert_eq!(times(&[both.clone(), look(&[(1, 110)], 0)]), [400, 410]);
        // Accounts are in ticks, so a little may be missing for a while.
        let late = [both, look(&[(1, 100)], 290), look(&[(1, 100)], 300)];
        assert_eq!(times(&late), [400, 400, 400]);
    }

    #[test]
    fn switches_of_a_process_that_ended_stay() {
        let mut tree = TreeUsage::default();
        for look in [look(&[(1, 10), (2, 30)], 0), look(&[(1, 20)], 30), look(&[(3, 5)], 50)] {
            tree.add(look);
        }
        let usage = tree.usage();
        assert_eq!(usage.voluntary_switches, Some(30 + 20 + 5));
        assert_eq!(usage.involuntary_switches, Some(3));
        assert_eq!(usage.peak_rss_bytes, 5);
    }

    #[test]
    fn a_process_that_ignores_its_children_is_told_by_its_mask() {
        assert!(is_chld_ignored("Name:\tx\nSigIgn:\t0000000001011000\n"));
        assert!(!is_chld_ignored("SigBlk:\t0000000000010000\nSigIgn:\t0000000001001000\n"));
        assert!(!is_chld_ignored("SigIgn:\tmany") && !is_chld_ignored(""));
        assert!(!ignores_children(std::process::id()));
    }

    /// A shell whose child uses CPU time until it is killed with its parent.
    fn busy() -> Child {
        let script = "(while :; do :; done) & trap 'kill $!' TERM; wait";
        Command::new("sh").args(["-c", script]).spawn().expect("there is a shell")
    }

    #[test]
    fn the_work_of_a_child_of_a_child_is_seen_and_does_not_go_back_when_it_ends() {
        let mut shell = busy();
        let (mut tree, own, begin) = (TreeUsage::default(), std::process::id(), Instant::now());
        let used =
            |tree: &mut TreeUsage| tree.look(own).map_or(Duration::ZERO, |usage| usage.cpu);
        while used(&mut tree) < Duration::from_millis(100) {
            assert!(begin.elapsed().as_secs() < 20, "it is busy: {tree:?}");
        }
        assert!(descendants(own).contains(&shell.id()));
        let grandchild = descendants(shell.id());
        assert_eq!(grandchild.len(), 1, "the subshell");
        let before = used(&mut tree);
        let pid = rustix::process::Pid::from_raw(shell.id().cast_signed()).expect("a child");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        shell.wait().expect("it was started");
        assert!(used(&mut tree) >= before);
        assert!(!descendants(own).contains(&shell.id()));
    }
}
