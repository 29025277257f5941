//! Processes that are known by a mark in their environment, which all that they start inherit:
//! [`Marked`].

use std::fs;
use std::process::Command;

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::wait_until;
use echo_test_support::program::own_program;

const VARIABLE: &str = "ECHO_BENCH_TEST_MARK";

/// A mark that no other test has.
pub(super) struct Marked(String);

impl Marked {
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self(format!("{}-{random:x}", std::process::id()))
    }

    /// Starts `echo-bench` with the mark.
    pub(super) fn start(&self, arguments: &[&str]) -> BenchProcess {
        let mut command = Command::new(own_program("echo-bench"));
        BenchProcess::start_as(command.env(VARIABLE, &self.0), arguments)
    }

    /// The processes with the mark that live, with their command lines.
    pub(super) fn processes(&self) -> Vec<(i32, String)> {
        let mark = format!("{VARIABLE}={}", self.0);
        let entries = fs::read_dir("/proc").expect("Linux has it");
        let pids =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid: i32| {
            // That of a zombie is empty.
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let has = environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            has.then(|| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        })
        .collect()
    }

    #[track_caller]
    pub(super) fn nothing_is_left(&self) {
        wait_until(&format!("nothing is left: {:#?}", self.processes()), || {
            self.processes().is_empty()
        });
    }
}
