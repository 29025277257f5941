//! On which CPUs a process works: [`Placement`], from `/proc/PID/task/*/stat`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::cpu::MOST_THREADS;

/// The CPUs on which threads of one process were seen to work, from look to look.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// The CPU time of each thread at the last look, in ticks of the kernel's accounts.
    worked: BTreeMap<u32, u64>,
    seen: BTreeSet<usize>,
}

impl Placement {
    /// Looks at the threads of a process. One that has worked since the last look was on the
    /// CPU that it is on now; the first look sees none. Of very many threads none is looked at.
    pub fn look(&mut self, pid: u32) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        let tasks: Vec<_> = tasks.flatten().take(MOST_THREADS + 1).collect();
        if tasks.len() > MOST_THREADS {
            return;
        }
        for task in tasks {
            // A thread that ends meanwhile is no error.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let id = task.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(id), Some((worked, cpu))) = (id, work(&stat)) {
                self.add(id, worked, cpu);
            }
        }
    }

    fn add(&mut self, thread: u32, worked: u64, cpu: usize) {
        if self.worked.insert(thread, worked).is_some_and(|before| worked > before) {
            self.seen.insert(cpu);
        }
    }

    /// The CPUs on which any thread was seen to work.
    pub fn cpus(&self) -> impl Iterator<Item = usize> {
        self.seen.iter().copied()
    }
}

/// The CPU time of a thread and the CPU it ran on last: fields 14, 15 and 39 of its `stat`
/// (`proc_pid_stat(5)`). Its name, in parentheses, may hold anything.
fn work(stat: &str) -> Option<(u64, usize)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let field = |number: usize| rest.split(' ').nth(number - 3);
    let time = |number| field(number)?.parse::<u64>().ok();
    Some((time(14)?.checked_add(time(15)?)?, field(39)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_that_worked_since_the_last_look_count() {
        let mut placement = Placement::default();
        placement.add(1, 10, 0);
        placement.add(2, 5, 1);
        assert_eq!(placement.cpus().count(), 0, "when they worked is unknown");
        placement.add(1, 12, 3);
        placement.add(2, 5, 1);
        assert_eq!(placement.cpus().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_thread_with_any_name_is_read() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 70 30 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 \
                    29 30 31 32 33 34 35 5 37";
        assert_eq!(work(&format!("9 (a) b (c) {rest}")), Some((100, 5)));
        assert_eq!(work("9 (a) S 1 2"), None);
        assert_eq!(work(""), None);
    }

    #[test]
    fn this_process_is_seen_to_work() {
        let mut placement = Placement::default();
        let begin = std::time::Instant::now();
        while placement.cpus().count() == 0 {
            assert!(begin.elapsed().as_secs() < 10, "a busy thread is on some CPU");
            for _ in 0..100_000 {
                std::hint::spin_loop();
            }
            placement.look(std::process::id());
        }
    }
}
