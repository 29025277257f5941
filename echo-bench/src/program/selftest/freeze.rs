//! Stops the process of a run in its midst, and lets it go on.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustix::process::{Signal, kill_process};

use super::super::child_run::ChildRuns;
use crate::fault_server::FaultProcess;

/// How long a run may take to begin.
const LIMIT: Duration = Duration::from_secs(10);

/// What a run needs until its load begins, where that can't be seen.
const STARTING: Duration = Duration::from_millis(300);

/// From one look for its process to the next.
const LOOK: Duration = Duration::from_millis(2);

/// Makes a run whose process is stopped for `length` once `wait` returns; what it gave, and what
/// `wait` did.
///
/// # Errors
/// When there was no process to stop.
pub(super) fn during<R: Send, W: Send>(
    runs: &ChildRuns,
    wait: impl FnOnce() -> W + Send,
    length: Duration,
    run: impl FnOnce() -> R,
) -> anyhow::Result<(R, W)> {
    thread::scope(|scope| {
        let freezing = scope.spawn(move || {
            let waited = wait();
            (freeze(runs, length), waited)
        });
        let report = run();
        let joined = freezing.join().map_err(|_| anyhow!("stopping the run failed"))?;
        let (frozen, waited) = joined;
        frozen?;
        Ok((report, waited))
    })
}

fn freeze(runs: &ChildRuns, length: Duration) -> anyhow::Result<()> {
    let pid = runs.running().context("the run ended before it could be stopped")?;
    kill_process(pid, Signal::STOP).context("stopping the run")?;
    thread::sleep(length);
    // It may have been killed meanwhile.
    let _ = kill_process(pid, Signal::CONT);
    Ok(())
}

/// Waits until so long after the server got its first request.
pub(super) fn wait_for_first(server: &FaultProcess, at: Duration) {
    if server.has_begun(LIMIT) {
        thread::sleep(at);
    }
}

/// Waits until so long after a run has probably begun its load.
pub(super) fn wait_for_start(runs: &ChildRuns, at: Duration) {
    let deadline = Instant::now() + LIMIT;
    while runs.running().is_none() && Instant::now() < deadline {
        thread::sleep(LOOK);
    }
    thread::sleep(STARTING + at);
}
