//! A run in a process of its own, as those of a sweep are: [`ChildRuns`]. It ends with this
//! process, and is told to stop when this one is.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use echo_net::stop::{Stage, Stop};

use crate::cli::CELL;
use crate::stream::SharedStream;
use crate::view::{Feed, Followed};
use echo_bench_report::report::{Report, store};

/// Most of what a failed run says that is kept.
const MOST_WORDS: u64 = 16 * 1024;

/// The process of the run that is going on.
type Running = Arc<Mutex<Option<Pid>>>;

/// Makes runs, one after the other, until it is told to stop.
#[derive(Debug)]
pub(super) struct ChildRuns {
    stop: Stop,
    running: Running,
    stream: Mutex<Option<SharedStream>>,
    /// Who is shown how a run goes, and what it is called.
    view: Option<Feed>,
    name: Mutex<String>,
}

impl ChildRuns {
    /// What stops this process stops the run that is going on.
    pub(super) fn new(stop: Stop) -> Self {
        Self::ended_by(stop, Signal::KILL)
    }

    /// The same of runs on agents, which the run has to stop: nothing of them ends with it.
    pub(super) fn on_agents(stop: Stop) -> Self {
        Self::ended_by(stop, Signal::INT)
    }

    fn ended_by(stop: Stop, last: Signal) -> Self {
        let running = Running::default();
        pass_on(&stop, &running, last);
        Self { stop, running, stream: Mutex::new(None), view: None, name: Mutex::default() }
    }

    /// The same, shown on the view if there is one.
    pub(super) fn with_view(self, view: Option<Feed>) -> Self {
        Self { view, ..self }
    }

    /// Shows how a run goes.
    fn show(&self, child: &mut Child) {
        let Some((feed, stdout)) = self.view.clone().zip(child.stdout.take()) else { return };
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut followed = Followed::new(feed, name);
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        // The report follows its pieces, and is no line of them.
        let show = move || lines.for_each(|line| drop(followed.line(&line)));
        // Without a thread the run goes on unseen.
        let _ = thread::Builder::new().name("shown-run".into()).spawn(show);
    }

    /// The same with lines of each run.
    pub(super) fn with_stream(self, stream: Option<SharedStream>) -> Self {
        Self { stream: Mutex::new(stream), ..self }
    }

    /// The next run is called so, and there will be so `many` if that is known.
    pub(super) fn announce(&self, many: Option<u64>, name: &str) {
        name.clone_into(&mut self.name.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(stream) = self.stream().as_mut() {
            stream.next(many, name);
        }
    }

    /// No more runs are made; whether all lines are written that were wanted.
    pub(super) fn close_stream(&self) -> bool {
        self.stream().as_mut().is_none_or(SharedStream::close)
    }

    fn stream(&self) -> MutexGuard<'_, Option<SharedStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The report of a run with this command line, which is left in `file`; what the run says, if
    /// it gives none, or one without a successful reply.
    pub(super) fn make(
        &self,
        command_line: &[String],
        seed: u64,
        file: &Path,
    ) -> Result<Report, String> {
        self.make_if(command_line, seed, file, |report| report.summary.requests.ok > 0)
    }

    /// The same where a report is one if it `tells` something.
    pub(super) fn make_if(
        &self,
        command_line: &[String],
        seed: u64,
        file: &Path,
        tells: impl FnOnce(&Report) -> bool,
    ) -> Result<Report, String> {
        let failed = |error: anyhow::Error| format!("{error:#}");
        // What is there is no report of this run, and nothing to be written through if it is a
        // link.
        let _ = std::fs::remove_file(file);
        let seed = seed & ((1 << 53) - 1);
        let lines = self.stream().as_ref().and_then(SharedStream::stdout);
        // One of both has the stdout of the run.
        let is_shown = self.view.is_some() && lines.is_none();
        let mut child = start(command_line, seed, file, lines, is_shown).map_err(failed)?;
        if is_shown {
            self.show(&mut child);
        }
        self.set(i32::try_from(child.id()).ok().and_then(Pid::from_raw));
        if self.are_stopped() {
            // Asked in between, when there was nobody to pass it on to.
            let _ = child.kill();
        }
        let words = words(&mut child);
        let status = child.wait();
        self.set(None);
        let status = status.map_err(|error| failed(error.into()))?;
        // Notes may stand before the error.
        let said = words.rsplit("error: ").next().unwrap_or_default().to_owned();
        let why = |reason: String| if said.is_empty() { reason } else { said.clone() };
        let report = store::load(file).ok().filter(|report| !report.interrupted);
        let Some(report) = report else { return Err(why(format!("no report ({status})"))) };
        let missing = report.parts.iter().flat_map(|parts| &parts.missing).next();
        if let Some(missing) = missing {
            let _ = std::fs::remove_file(file);
            let reason = missing.reason.as_deref().unwrap_or("it gave no report");
            return Err(why(format!("part {} is missing: {reason}", missing.number)));
        }
        if !tells(&report) {
            // Nothing was measured; the next time it is tried again.
            let _ = std::fs::remove_file(file);
            let errors =
                report.errors.iter().map(|error| format!("{} x {}", error.count, error.kind));
            let errors: Vec<String> = errors.collect();
            return Err(why(match &errors[..] {
                [] => {
                    "no replies within the window: a longer --duration may show some".to_owned()
                }
                errors => format!("no successful replies ({})", errors.join(", ")),
            }));
        }
        Ok(report)
    }

    /// Whether no more runs are to be made.
    pub(super) fn are_stopped(&self) -> bool {
        self.stop.stage() > Stage::Running
    }

    /// The process of the run that is going on.
    pub(super) fn running(&self) -> Option<Pid> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pid: Option<Pid>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }
}

/// Passes on to the run that is going on that it is to stop.
fn pass_on(stop: &Stop, running: &Running, last: Signal) {
    let running = Arc::clone(running);
    stop.on_advance(move |stage| {
        let signal = if stage == Stage::Forced { last } else { Signal::INT };
        if let Some(pid) = *running.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails only if it has ended already.
            let _ = kill_process(pid, signal);
        }
    });
}

/// What a run says until it ends, as much as anyone reads.
fn words(child: &mut Child) -> String {
    let Some(stderr) = child.stderr.take() else { return String::new() };
    let (mut stderr, mut bytes) = (stderr.take(MOST_WORDS), Vec::new());
    // What can't be read is not said.
    let _ = stderr.read_to_end(&mut bytes);
    // It must never wait for a pipe that is full.
    let _ = std::io::copy(&mut stderr.into_inner(), &mut std::io::sink());
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn start(
    command_line: &[String],
    seed: u64,
    file: &Path,
    lines: Option<Stdio>,
    is_shown: bool,
) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    Command::new(program)
        .arg(CELL)
        .arg(format!("--die-with-parent={}", std::process::id()))
        .args(is_shown.then_some("--pieces"))
        .args(command_line)
        .arg(format!("--seed={seed}"))
        .args(["--quiet", "--no-report", "--output"])
        .arg(file)
        .args(lines.is_some().then_some("--stream=-"))
        .stdin(Stdio::null())
        .stdout(lines.unwrap_or_else(|| if is_shown { Stdio::piped() } else { Stdio::null() }))
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal goes to the whole group of the foreground; the run is told
        // by this process.
        .process_group(0)
        .spawn()
        .context("starting a run")
}
