//! A command under its supervisor, as the run sees it: [`Supervised`]. Nothing is left of it when
//! this is dropped.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

use super::SUPERVISE;
use super::supervisor::{Event, KILL, KILLING_LIMIT, STOP};
use crate::child::{self, STOP_LIMIT};
use crate::console;
use echo_net::process_tree::descendants;
use echo_net::stop::{Stage, Stop};

/// How long the supervisor may take to say that nothing is left, beside the time that it gives
/// the command.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How often it is looked whether the user has asked for a stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A command that runs, or has ended.
#[derive(Debug)]
pub(super) struct Supervised {
    supervisor: Child,
    control: Option<ChildStdin>,
    events: Receiver<Event>,
    /// The process of the command.
    pub(super) pid: Option<u32>,
    /// Whether the text that was looked for was said.
    pub(super) is_ready: bool,
    /// How the process of the command ended, and what was said until then.
    pub(super) ended: Option<(ExitStatus, String)>,
    /// What was said until nothing was left of it.
    pub(super) gone: Option<Gone>,
    /// Whether the supervisor ended before it.
    pub(super) is_lost: bool,
}

/// A command of which nothing is left.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone {
    /// The last lines of its output.
    pub(super) output: String,
    /// Whether it did not stop in time, and was killed.
    pub(super) killed: bool,
    /// Processes that could not be killed.
    pub(super) left: Vec<u32>,
}

impl Supervised {
    /// Starts a command on `cpus` (none: wherever it may run), and looks for `ready` in its output.
    pub(super) fn start(
        words: &[String],
        ready: Option<&str>,
        cpus: &[usize],
    ) -> anyhow::Result<Self> {
        // Should the supervisor be killed, what it leaves becomes this process's own.
        set_child_subreaper(Some(getpid())).context("becoming the parent of orphans")?;
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command.arg(SUPERVISE);
        if let Some(text) = ready {
            command.arg(format!("--ready={text}"));
        }
        command
            .arg("--")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(console::stderr_of_child())
            // Ctrl-C in a terminal goes to the whole group of the foreground; the server must
            // outlive it until the partial report is measured.
            .process_group(0);
        let started = child::start_on(cpus, &mut command);
        let mut supervisor = started.context("starting the supervisor of the command")?;
        supervisor.stderr.take().into_iter().for_each(console::pass_on);
        let control = supervisor.stdin.take();
        let stdout = supervisor.stdout.take().context("the supervisor has no stdout")?;
        let (sender, events) = channel();
        let reading = thread::Builder::new().name("supervisor".into()).spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = sender.send(event);
                }
            }
        });
        reading.context("starting the thread that reads the supervisor's stdout")?;
        Ok(Self {
            supervisor,
            control,
            events,
            pid: None,
            is_ready: false,
            ended: None,
            gone: None,
            is_lost: false,
        })
    }

    /// The parent of all its processes.
    pub(super) fn supervisor(&self) -> u32 {
        self.supervisor.id()
    }

    /// Its processes that live.
    pub(super) fn pids(&self) -> Vec<u32> {
        descendants(self.supervisor())
    }

    /// Takes in what has happened, and waits up to `limit` for something to happen. Whether
    /// more may happen.
    pub(super) fn attend(&mut self, limit: Duration) -> bool {
        match self.events.recv_timeout(limit) {
            Ok(event) => self.take(event),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => {
                self.is_lost = self.gone.is_none();
                return false;
            }
        }
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        true
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started { pid } => self.pid = Some(pid),
            Event::Ready => self.is_ready = true,
            Event::Ended { status, output } => {
                self.ended = Some((ExitStatus::from_raw(status), output));
            }
            Event::Gone { output, killed, left } => {
                self.gone = Some(Gone { output, killed, left });
            }
        }
    }

    /// Stops it, killed after the [limit](child::stop_limit), and waits until nothing is left of
    /// it.
    pub(super) fn stop(mut self, stop: &Stop) -> Gone {
        self.say(STOP);
        let (mut is_told, mut was_late) = (false, false);
        let begin = Instant::now();
        let limit = STOP_LIMIT + KILLING_LIMIT + ANSWER_LIMIT;
        while self.gone.is_none() && begin.elapsed() < limit {
            if !is_told && begin.elapsed() >= child::stop_limit(stop) {
                self.say(KILL);
                (is_told, was_late) = (true, stop.stage() < Stage::Forced);
            }
            if !self.attend(LOOK_EVERY) {
                break;
            }
        }
        let gone = self.end();
        Gone { killed: gone.killed || was_late, ..gone }
    }

    /// Kills it, and waits until nothing is left of it.
    pub(super) fn kill(&mut self) {
        self.say(KILL);
        let deadline = Instant::now() + KILLING_LIMIT + ANSWER_LIMIT;
        while self.gone.is_none() && Instant::now() < deadline && self.attend(LOOK_EVERY) {}
    }

    /// A supervisor that is gone has told why already.
    fn say(&mut self, word: &str) {
        if let Some(control) = &mut self.control {
            let _ = writeln!(control, "{word}").and_then(|()| control.flush());
        }
    }

    /// Waits for the supervisor, and ends what it has left if it was killed.
    fn end(&mut self) -> Gone {
        let gone = self.gone.clone();
        if gone.is_none() {
            // It has failed; both fail only for one that has been waited for.
            let _ = self.supervisor.kill();
        }
        let _ = self.supervisor.wait();
        gone.unwrap_or_else(|| Gone { left: end_orphans(), ..Gone::default() })
    }
}

/// Kills what descends from this process, until nothing does; what could not be killed.
fn end_orphans() -> Vec<u32> {
    let begin = Instant::now();
    let mut left = descendants(std::process::id());
    while !left.is_empty() && begin.elapsed() < KILLING_LIMIT {
        for pid in left.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
            // It is this process's own only once its parents have ended.
            let options = rustix::process::WaitOptions::NOHANG;
            let _ = rustix::process::waitpid(Some(pid), options);
        }
        thread::sleep(Duration::from_millis(5));
        left = descendants(std::process::id());
    }
    left
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if matches!(self.supervisor.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        self.kill();
        self.end();
    }
}
