//! On which CPUs a process works: [`Placement`], from `/proc/PID/task/*/stat`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::cpu::MOST_THREADS;
use crate::process_stat::StatLine;

/// The CPUs on which threads of a server were seen to work, from look to look.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// The CPU time of each thread at the last look, in ticks of the kernel's accounts.
    worked: BTreeMap<u32, u64>,
    seen: BTreeSet<usize>,
}

impl Placement {
    /// Looks at the threads of a server's processes. One that has worked since the last look was
    /// on the CPU that it is on now; the first look sees none. Of very many threads none is
    /// looked at.
    pub fn look(&mut self, pids: &[u32]) {
        let mut tasks = Vec::new();
        for pid in pids {
            let Ok(of_process) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            tasks.extend(of_process.flatten().take(MOST_THREADS + 1 - tasks.len()));
            if tasks.len() > MOST_THREADS {
                return;
            }
        }
        // Those that ended would pile up.
        let before = std::mem::take(&mut self.worked);
        for task in tasks {
            // A thread that ends meanwhile is no error.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let id = task.file_name().to_str().and_then(|name| name.parse().ok());
            if let (Some(id), Some(line)) = (id, StatLine::parse(&stat)) {
                self.add(&before, id, line.worked, line.cpu);
            }
        }
    }

    fn add(&mut self, before: &BTreeMap<u32, u64>, thread: u32, worked: u64, cpu: usize) {
        if before.get(&thread).is_some_and(|before| worked > *before) {
            self.seen.insert(cpu);
        }
        self.worked.insert(thread, worked);
    }

    /// The CPUs on which any thread was seen to work.
    pub fn cpus(&self) -> impl Iterator<Item = usize> {
        self.seen.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_that_worked_since_the_last_look_count() {
        let mut placement = Placement::default();
        let before = BTreeMap::from([(1, 10), (2, 5)]);
        placement.add(&BTreeMap::new(), 1, 10, 0);
        assert_eq!(placement.cpus().count(), 0, "when it worked is unknown");
        placement.add(&before, 1, 12, 3);
        placement.add(&before, 2, 5, 1);
        assert_eq!(placement.cpus().collect::<Vec<_>>(), [3]);
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
            placement.look(&[std::process::id()]);
        }
    }
}
