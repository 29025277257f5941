//! What is seen of a server from outside: its processes, and the counters that it prints.

use std::time::Duration;

use echo_net::process_tree::descendants;
use rustix::process::Signal;

use super::RunningServer;
use crate::deadline::{wait_for, wait_until};

impl RunningServer {
    /// Its process, and those that this one has started, after it.
    pub fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        std::iter::once(own).chain(descendants(own)).collect()
    }

    /// Whether every thread is stopped, which takes a moment after the signal.
    pub fn is_stopped(&self) -> bool {
        self.processes().into_iter().all(|pid| {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
            tasks.flatten().all(|task| {
                let stat =
                    std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
            })
        })
    }

    /// Resident memory of its processes; what they share counts for each.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Threads of its processes.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// The sum of a number in /proc/PID/status.
    fn status(&self, name: &str) -> u64 {
        let of_process = |pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.expect("the process runs");
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let number =
                value.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or_else(|| panic!("no number {name} in {status}"))
        };
        self.processes().into_iter().map(of_process).sum::<u64>()
    }

    /// Open descriptors of its processes.
    pub fn descriptors(&self) -> usize {
        let of_process = |pid| {
            std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
        };
        self.processes().into_iter().map(of_process).sum()
    }

    /// CPU time of its processes.
    pub fn cpu_time(&self) -> Duration {
        let of_process = |pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            let stat = stat.expect("the process runs");
            // The second field is the name of the program in parentheses.
            let after_name = stat.rsplit_once(')').expect("proc(5)").1;
            let fields = after_name.split_whitespace().skip(11).take(2);
            fields.map(|ticks| ticks.parse::<u64>().expect("proc(5)")).sum::<u64>()
        };
        let ticks = self.processes().into_iter().map(of_process).sum();
        Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32
    }

    /// Its counters so far, with the open connections as `active`; it was started with
    /// `--log-format json`.
    pub fn counters(&self) -> serde_json::Value {
        let seen = self.said_so_far().len();
        self.signal(Signal::USR1);
        wait_for("the server prints its counters", || {
            let said = self.said_so_far();
            // The last line may be incomplete.
            let (whole, _) = said.get(seen..)?.rsplit_once('\n')?;
            let lines = whole.lines().filter_map(|line| serde_json::from_str(line).ok());
            let mut counters = lines.filter(|line: &serde_json::Value| line["active"].is_u64());
            counters.next()
        })
    }

    /// Waits until no connection is open any more.
    #[track_caller]
    pub fn wait_until_unused(&self) {
        wait_until("every connection is closed", || self.counters()["active"] == 0);
    }
}
