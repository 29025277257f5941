//! Parts of a plan in processes of this machine: [`LocalParts`], which are this program. They end
//! with it, whatever becomes of it, and leave nothing behind.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader};
use std::ops::RangeInclusive;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::{Event, Message};
use crate::cli::CELL;
use crate::view::{Feed, Together};
use echo_bench_engine::plan::Part;
use echo_bench_report::merge::PartOfRun;
use echo_bench_report::report::store;
use echo_net::stop::{Stage, Stop};

/// Longest line that a part says of itself.
const LONGEST_LINE: usize = 4096;

/// Most of what a failed part says that is kept.
const MOST_WORDS: usize = 4096;

/// The processes that run, by number; none where one was waited for: its id may be another's.
type Running = Arc<Mutex<Vec<Option<Pid>>>>;

/// See the [module](self).
#[derive(Debug)]
pub struct LocalParts {
    running: Running,
    messages: Receiver<Message>,
    waiting: Vec<thread::JoinHandle<()>>,
    folder: Scratch,
    /// Who is shown how they go.
    shown: Option<Arc<Mutex<Together>>>,
}

impl LocalParts {
    /// Starts `of` processes with these flags of a run, each with its part and the time at which
    /// its load begins. What stops this process stops them. They are shown on the view if there is
    /// one.
    ///
    /// To be called on a thread that lives as long as they should.
    ///
    /// # Errors
    /// When one can't be started; those that were are ended.
    pub fn start(
        flags: &[String],
        of: u32,
        start_at: &str,
        stop: &Stop,
        view: Option<Feed>,
    ) -> anyhow::Result<Self> {
        Self::start_some(flags, 1..=of, of, start_at, stop, view)
    }

    /// The same of one part alone.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_one(
        flags: &[String],
        part: Part,
        start_at: &str,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        Self::start_some(flags, part.number..=part.number, part.of, start_at, stop, None)
    }

    fn start_some(
        flags: &[String],
        numbers: RangeInclusive<u32>,
        of: u32,
        start_at: &str,
        stop: &Stop,
        view: Option<Feed>,
    ) -> anyhow::Result<Self> {
        let folder = Scratch::new().context("making a folder for the reports of the parts")?;
        let (sender, messages) = mpsc::channel();
        let shown = view.map(|feed| Together::new(feed, numbers.clone()));
        let shown = shown.map(|shown| Arc::new(Mutex::new(shown)));
        let (running, waiting) = (Running::default(), Vec::new());
        let mut parts = Self { running, messages, waiting, folder, shown };
        pass_on(stop, &parts.running);
        for number in numbers {
            parts.add(flags, (number, of), start_at, sender.clone())?;
        }
        if stop.stage() > Stage::Running {
            // Asked in between, when not all were there to be told.
            signal(&parts.running, Signal::INT);
        }
        Ok(parts)
    }

    fn add(
        &mut self,
        flags: &[String],
        (number, of): (u32, u32),
        start_at: &str,
        sender: Sender<Message>,
    ) -> anyhow::Result<()> {
        let report = self.folder.0.join(format!("part-{number}.json"));
        let words = self.folder.0.join(format!("part-{number}.log"));
        let program = std::env::current_exe().context("finding this program")?;
        let log = File::create_new(&words).context("keeping what a part says")?;
        let mut child = Command::new(program)
            .arg(CELL)
            .args([&format!("--die-with-parent={}", std::process::id()), "--beats"])
            .args(self.shown.is_some().then_some("--pieces"))
            .args(flags)
            .args([&format!("--part={number}/{of}"), &format!("--start-at={start_at}")])
            .args(["--quiet", "--no-report", "--output"])
            .arg(&report)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C in a terminal goes to the whole group of the foreground; the parts are told
            // by this process.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting part {number} of {of}"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let place = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.push(pid);
            running.len() - 1
        };
        let running = Arc::clone(&self.running);
        let stdout = child.stdout.take();
        let shown = self.shown.clone();
        let waiting = thread::Builder::new().name(format!("part-{number}"));
        let waiting = waiting.spawn(move || {
            let part = Waiting { number, child, report, words, shown };
            part.until_done(stdout, &sender, || {
                running.lock().unwrap_or_else(PoisonError::into_inner)[place] = None;
            });
        });
        self.waiting.push(waiting.context("starting the thread that waits for a part")?);
        Ok(())
    }

    /// What becomes of them, as it comes; it ends when they have all ended.
    pub fn messages(&self) -> &Receiver<Message> {
        &self.messages
    }

    /// Ends those that still run at once.
    pub fn kill(&self) {
        self.killer().kill();
    }

    /// Who can do so wherever they are waited for.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.running))
    }
}

/// Ends parts at once.
#[derive(Debug, Clone)]
pub struct Killer(Running);

impl Killer {
    /// Those that still run.
    pub fn kill(&self) {
        signal(&self.0, Signal::KILL);
    }
}

impl Drop for LocalParts {
    fn drop(&mut self) {
        self.kill();
        for waiting in self.waiting.drain(..) {
            // It panics only if there is a bug, which was reported then.
            drop(waiting.join());
        }
    }
}

/// Tells all parts to stop when this process is told: a second time at once.
fn pass_on(stop: &Stop, running: &Running) {
    let running = Arc::clone(running);
    // A part that is told twice cuts its drain short and still writes its report.
    stop.on_advance(move |_| signal(&running, Signal::INT));
}

fn signal(running: &Running, signal: Signal) {
    for pid in running.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten() {
        // Fails only if it has ended already.
        let _ = kill_process(*pid, signal);
    }
}

/// A part, and who waits for it.
struct Waiting {
    number: u32,
    child: Child,
    report: PathBuf,
    words: PathBuf,
    shown: Option<Arc<Mutex<Together>>>,
}

impl Waiting {
    fn until_done(
        mut self,
        stdout: Option<ChildStdout>,
        sender: &Sender<Message>,
        ended: impl FnOnce(),
    ) {
        let number = self.number;
        // Whoever has hung up needs no more.
        let send = |event| drop(sender.send(Message { number, event }));
        if let Some(stdout) = stdout {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match beat(&line) {
                    Some(beat) => send(Event::Beat(beat)),
                    None => self.show(|shown| shown.line(number, &line)),
                }
            }
        }
        // Its number may be another's as soon as it was waited for: nobody signals it any more then.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
        }
        ended();
        let status = self.child.wait();
        self.show(|shown| shown.end(number));
        send(match store::load(&self.report) {
            Ok(report) => {
                let pid = self.child.id();
                let name = Some(format!("pid {pid}"));
                Event::Done(Box::new(PartOfRun { report, name, clock: None }))
            }
            Err(_) => Event::Lost(self.reason(status)),
        });
    }

    fn show(&self, what: impl FnOnce(&mut Together)) {
        if let Some(shown) = &self.shown {
            what(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Why it gave no report.
    fn reason(&self, status: io::Result<ExitStatus>) -> String {
        let pid = self.child.id();
        let how = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let words = fs::read(&self.words).unwrap_or_default();
        let words = String::from_utf8_lossy(&words[..words.len().min(MOST_WORDS)]).into_owned();
        // Notes may stand before the error.
        let error = words.rsplit("error: ").next().unwrap_or_default().trim();
        let said = if error.is_empty() { String::new() } else { format!(": {error}") };
        format!("process {pid} ended without a report ({how}){said}")
    }
}

/// What a part says of itself in a line, unless it is something else.
fn beat(line: &str) -> Option<super::PartBeat> {
    if line.len() > LONGEST_LINE { None } else { serde_json::from_str(line).ok() }
}

/// A folder of one's own, which is removed with all that is in it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        for number in 0..1000 {
            let name = format!("echo-bench-{}-{number}", std::process::id());
            let path: &Path = &parent.join(name);
            // What is there already is somebody else's.
            match DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => return Ok(Self(path.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whatever is left of it does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
