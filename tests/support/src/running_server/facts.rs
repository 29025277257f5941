//! What is seen of a server from outside: its process, and the counters that it prints.

use std::time::Duration;

use rustix::process::Signal;

use super::RunningServer;
use crate::deadline::{wait_for, wait_until};

impl RunningServer {
    /// Resident memory of the process.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Threads of the process.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// A number in /proc/PID/status.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the process runs");
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        let number = value.and_then(|text| text.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no number {name} in {status}"))
    }

    /// Open descriptors of the process.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).expect("the process runs").count()
    }

    /// CPU time of the process.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .expect("the process runs");
        // The second field is the name of the program in parentheses.
        let after_name = stat.rsplit_once(')').expect("proc(5)").1;
        let fields = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().expect("proc(5)")).sum();
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
