//! The supervisor's process: [`supervise`] starts a command, drains its output, tells its
//! parent what becomes of it ([`Event`] lines on stdout), and ends all that descends from it.
//!
//! Its parent speaks to it on stdin: [`STOP`], [`KILL`]; the end of stdin means that the parent is
//! gone. So it needs no signal, and a parent that is killed is noticed in every case.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{
    Pid, Signal, WaitOptions, getpgid, getpid, kill_process, kill_process_group,
    set_child_subreaper, wait,
};
use serde::{Deserialize, Serialize};

use super::LAUNCH;
use super::output::Output;
use crate::child::STOP_LIMIT;
use echo_net::process_tree::descendants;
use echo_net::signals;
use echo_net::stop::Stop;

/// A line by which the parent has it stop the command.
pub(super) const STOP: &str = "stop";

/// A line by which the parent has it kill the command.
pub(super) const KILL: &str = "kill";

/// What fails where no more threads can be made.
const STARTING_A_THREAD: &str = "starting a thread of the command's supervisor";

/// How long a command may take to stop when nobody waits for it any more.
const ORPHANED_LIMIT: Duration = Duration::from_secs(1);

/// How long processes are killed that do not end, as those of another user.
pub(super) const KILLING_LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked for processes that are still to be asked to stop.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How often it is looked for processes that are still to be killed.
const KILL_EVERY: Duration = Duration::from_millis(5);

/// How long the rest of the output is waited for once everybody is gone.
const REST_LIMIT: Duration = Duration::from_millis(500);

/// What the supervisor tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The command was started.
    Started {
        /// Its process.
        pid: u32,
    },
    /// The wanted text was in a line of its output.
    Ready,
    /// The process of the command ended; others that it started may live.
    Ended {
        /// As the kernel encodes it.
        status: i32,
        /// The last lines of the output.
        output: String,
    },
    /// Nothing is left of it.
    Gone {
        /// The last lines of the output.
        output: String,
        /// Whether it did not stop in time, and was killed.
        killed: bool,
        /// Processes that could not be killed.
        left: Vec<u32>,
    },
}

enum Message {
    Stop,
    Kill,
    Orphaned,
    Ended(ExitStatus),
    AllEnded,
}

/// The life of a supervisor.
///
/// # Errors
/// When it can't do its work.
pub fn supervise(ready: Option<&str>, words: &[OsString]) -> anyhow::Result<ExitCode> {
    set_child_subreaper(Some(getpid())).context("becoming the parent of orphans")?;
    let (said, writer) = io::pipe().context("making a pipe")?;
    let launcher = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(launcher);
    command.arg(LAUNCH).arg(format!("--parent={}", std::process::id())).arg("--").args(words);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    // From this thread, which lives as long as the process: the command dies with it.
    let child = command.spawn().context("starting the command")?;
    // It holds the ends of the pipe that are written to.
    drop(command);
    let pid = Pid::from_child(&child);
    tell(&Event::Started { pid: child.id() });
    let (messages, inbox) = channel();
    let output = Arc::new(Mutex::new(Output::looking_for(ready)));
    let drained = drain(said, Arc::clone(&output)).context(STARTING_A_THREAD)?;
    listen_to_parent(messages.clone()).context(STARTING_A_THREAD)?;
    listen_to_signals(messages.clone())?;
    let reaping = thread::Builder::new().spawn(move || reap(pid, &messages));
    reaping.context(STARTING_A_THREAD)?;
    let (killed, left) = attend(&inbox, pid, &output);
    // What was said last is on its way.
    let _ = drained.recv_timeout(REST_LIMIT);
    tell(&Event::Gone { output: tail(&output), killed, left });
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command, which the kernel kills if `parent` ends.
///
/// # Errors
/// When it can't.
pub fn launch(parent: u32, words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = words.split_first().context("there is no command")?;
    signals::end_with_parent(Some(parent)).context("tying to the supervisor")?;
    signals::restore_file_size_signal();
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("starting {}", program.display()))
}

/// Tells the parent; one that is gone needs no word.
fn tell(event: &Event) {
    let line = serde_json::to_string(event).unwrap_or_default();
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn tail(output: &Mutex<Output>) -> String {
    output.lock().unwrap_or_else(PoisonError::into_inner).tail()
}

/// Reads all that is said; the receiver hears when that is over.
fn drain(
    mut said: impl Read + Send + 'static,
    output: Arc<Mutex<Output>>,
) -> io::Result<Receiver<()>> {
    let (over, receiver) = channel();
    thread::Builder::new().spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        loop {
            match said.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                    if output.add(&piece[..count]) {
                        tell(&Event::Ready);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = over.send(());
    })?;
    Ok(receiver)
}

fn listen_to_parent(messages: Sender<Message>) -> io::Result<()> {
    let listening = thread::Builder::new().spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let message = if line == KILL { Message::Kill } else { Message::Stop };
            let _ = messages.send(message);
        }
        let _ = messages.send(Message::Orphaned);
    });
    listening.map(drop)
}

/// Whoever stops all processes of a service or a session means the command, too.
fn listen_to_signals(messages: Sender<Message>) -> anyhow::Result<()> {
    let stop = Stop::new();
    let messages = Mutex::new(messages);
    stop.on_advance(move |_| {
        let messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = messages.send(Message::Stop);
    });
    signals::serve_signals(stop, |_| ()).context("watching for signals")
}

/// Waits for all children: the command and those whose parents have ended.
fn reap(command: Pid, messages: &Sender<Message>) {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                let status = ExitStatus::from_raw(status.as_raw());
                let _ = messages.send(Message::Ended(status));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // There is no child left, and so no descendant.
            Err(_) => break,
        }
    }
    let _ = messages.send(Message::AllEnded);
}

/// A command that was asked to stop.
struct Asked {
    command: Pid,
    /// Processes outside its group that were asked, too.
    strays: BTreeSet<u32>,
    until: Instant,
}

/// Until nothing is left of the command. Whether it had to be killed, and what could not be.
fn attend(inbox: &Receiver<Message>, command: Pid, output: &Mutex<Output>) -> (bool, Vec<u32>) {
    let mut asked: Option<Asked> = None;
    loop {
        let message = match &mut asked {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(asked) => {
                let left = asked.until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return (true, kill_all(inbox));
                }
                asked.ask_strays();
                inbox.recv_timeout(left.min(ASK_EVERY))
            }
        };
        match message {
            Ok(Message::Ended(status)) => {
                tell(&Event::Ended { status: status.into_raw(), output: tail(output) });
            }
            Ok(Message::AllEnded) => return (false, Vec::new()),
            Ok(Message::Stop) => {
                asked.get_or_insert_with(|| Asked::to_stop(command, STOP_LIMIT));
            }
            Ok(Message::Orphaned) => {
                let asked =
                    asked.get_or_insert_with(|| Asked::to_stop(command, ORPHANED_LIMIT));
                asked.until = asked.until.min(Instant::now() + ORPHANED_LIMIT);
            }
            Ok(Message::Kill) | Err(RecvTimeoutError::Disconnected) => {
                return (false, kill_all(inbox));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Asked {
    /// Asks the group of the command to stop within `limit`.
    fn to_stop(command: Pid, limit: Duration) -> Self {
        // Fails only if it has ended.
        let _ = kill_process_group(command, Signal::TERM);
        Self { command, strays: BTreeSet::new(), until: Instant::now() + limit }
    }

    /// Asks those that left the group, each once: to some servers a second signal means to
    /// abort. One look may miss those whose parents are just ending.
    fn ask_strays(&mut self) {
        for pid in all_descendants() {
            let is_elsewhere = getpgid(Some(pid)).is_ok_and(|group| group != self.command);
            if is_elsewhere && self.strays.insert(pid.as_raw_nonzero().get().cast_unsigned()) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }
}

/// Kills whatever descends from this process until nothing does; what could not be killed.
fn kill_all(inbox: &Receiver<Message>) -> Vec<u32> {
    let begin = Instant::now();
    while begin.elapsed() < KILLING_LIMIT {
        for pid in all_descendants() {
            let _ = kill_process(pid, Signal::KILL);
        }
        if let Ok(Message::AllEnded) = inbox.recv_timeout(KILL_EVERY) {
            return Vec::new();
        }
    }
    descendants(std::process::id())
}

fn all_descendants() -> impl Iterator<Item = Pid> {
    let pids = descendants(std::process::id()).into_iter();
    pids.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
}
