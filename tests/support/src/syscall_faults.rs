//! System calls of a running process that fail: [`SyscallFaults`], injected by strace(1), which
//! needs to be installed and allowed to trace (root, or `kernel.yama.ptrace_scope` 0).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::deadline::{wait_for, wait_until};
use crate::program::{tell_skipped, third_party_or_skip};

/// While it lives, system calls of processes fail; these then go on undisturbed.
#[derive(Debug)]
pub struct SyscallFaults {
    strace: Child,
    traced: Vec<u32>,
    /// What strace writes: a line for each call.
    calls: NamedTempFile,
}

impl SyscallFaults {
    /// Injects `fault` into the calls of all threads of `pids` that are named in `calls`, as strace writes them: `accept4` and
    /// `error=EMFILE:when=1..3`. The calls are counted for each thread.
    ///
    /// `None`, reported as skipped, if that is not possible here.
    pub fn inject_or_skip(
        test: &str,
        pids: Vec<u32>,
        calls: &str,
        fault: &str,
    ) -> Option<Self> {
        let log = NamedTempFile::new().expect("room for a file");
        let mut strace = strace_or_skip(test, calls, fault, log.path())?;
        strace
            .args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let strace = strace.spawn().expect("it is installed");
        let mut faults = Self { strace, traced: pids, calls: log };
        let attached = wait_for("strace has attached to every thread, or given up", || {
            let ended = faults.strace.try_wait().expect("it was started").is_some();
            if ended {
                Some(false)
            } else {
                is_traced(&faults.traced).all(|traced| traced).then_some(true)
            }
        });
        if !attached {
            tell_skipped(test, "strace may not trace this process, or lacks this fault");
        }
        attached.then_some(faults)
    }

    /// Ends it; the number of calls that have failed so.
    pub fn end(mut self) -> usize {
        self.detach();
        injected(self.calls.path())
    }

    fn detach(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            // On this signal it detaches.
            let _ = kill_process(Pid::from_child(&self.strace), Signal::TERM);
        }
        let _ = self.strace.wait();
    }
}

/// A command to which a program and its arguments are added; it runs them with the faults from
/// the start, and writes the calls to `log`. `None`, reported as skipped, without strace.
pub fn strace_or_skip(test: &str, calls: &str, fault: &str, log: &Path) -> Option<Command> {
    let mut strace = strace_of_calls(test, calls, log)?;
    strace.args(["-e", &format!("inject={calls}:{fault}")]);
    Some(strace)
}

/// A command to which a program and its arguments are added; it runs them, and writes their
/// `calls` to `log`, with the inode of each socket. `None`, reported as skipped, without strace.
pub fn traced_or_skip(test: &str, calls: &str, log: &Path) -> Option<Command> {
    let mut strace = strace_of_calls(test, calls, log)?;
    strace.arg("-y");
    Some(strace)
}

fn strace_of_calls(test: &str, calls: &str, log: &Path) -> Option<Command> {
    let mut strace = third_party_or_skip(test, "strace")?;
    strace
        .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"])
        .arg(log);
    Some(strace)
}

/// Faults in a log of [`strace_or_skip`].
pub fn injected(log: &Path) -> usize {
    let log = std::fs::read(log).expect("strace has made it");
    String::from_utf8_lossy(&log).matches("(INJECTED)").count()
}

impl Drop for SyscallFaults {
    fn drop(&mut self) {
        self.detach();
        if !std::thread::panicking() {
            let traced = &self.traced;
            wait_until("strace has detached", || is_traced(traced).all(|traced| !traced));
        }
    }
}

/// For each thread of processes, whether it is traced.
fn is_traced(pids: &[u32]) -> impl Iterator<Item = bool> {
    let tasks = pids.iter().map(|pid| std::fs::read_dir(format!("/proc/{pid}/task")));
    let status = |task: std::fs::DirEntry| -> PathBuf { task.path().join("status") };
    tasks.flatten().flatten().flatten().map(status).filter_map(|path| {
        // A thread may end meanwhile.
        let status = std::fs::read_to_string(path).ok()?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
        Some(tracer.trim() != "0")
    })
}
