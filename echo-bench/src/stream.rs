//! Where `--stream` leads: [`Stream`] of a run, [`SharedStream`] of several. Lines are written by a
//! thread of their own, so that a reader that is slow, or a disk, keeps nobody waiting: neither
//! the threads that measure nor the one that gathers. What can't be written is said once, and
//! the runs go on.

mod shared;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use crate::console::tell;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_report::output;
use echo_bench_report::report::{Circumstances, Report, store};
use echo_bench_report::stream::{Beginning, Event, Failure, Line, Measured, Outcome};

pub(crate) use shared::SharedStream;

/// Lines that wait to be written, some hundred bytes each. More are left out.
const MOST_WAITING: usize = 1024;

/// How long a reader may read nothing after the run has ended, before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// From one look at the writer to the next, after the run.
const LOOK: Duration = Duration::from_millis(5);

/// Where lines go, open.
#[derive(Debug)]
pub(crate) struct Place {
    file: File,
    name: String,
}

impl Place {
    /// Opens a place that was typed; what is in the file is gone then.
    ///
    /// # Errors
    /// When it can't be written to.
    fn open(path: &Path) -> anyhow::Result<Self> {
        if output::is_stdout(path) {
            let file = io::stdout().as_fd().try_clone_to_owned();
            let file = file.context("writing --stream to stdout")?.into();
            return Ok(Self { file, name: "stdout".into() });
        }
        let name = path.display().to_string();
        let file = output::open_stream(path);
        let file = file.with_context(|| format!("writing --stream {name}"))?;
        Ok(Self { file, name })
    }

    /// Says why it takes no more lines; whether something is lost that was wanted.
    fn is_lost(&self, error: &io::Error) -> bool {
        let name = &self.name;
        if error.kind() == ErrorKind::BrokenPipe {
            tell(&format!("note: nobody reads --stream {name} any more; the run goes on"));
            return false;
        }
        tell(&format!(
            "warning: writing --stream {name}: {error}; no more lines are written, and the run \
             goes on"
        ));
        true
    }
}

/// What a thread makes of lines; whether something was lost.
type Writer = JoinHandle<bool>;

/// The lines of a run.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    plan: Option<Plan>,
    lines: Option<SyncSender<String>>,
    writer: Writer,
    /// Lines that were handed to it, and that it has written.
    said: u64,
    written: Arc<AtomicU64>,
    left_out: u64,
    has_ended: bool,
}

impl Stream {
    /// Lines to a place that was typed.
    ///
    /// # Errors
    /// When it can't be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let place = Place::open(path)?;
        let (name, written) = (place.name.clone(), Arc::new(AtomicU64::new(0)));
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let count = Arc::clone(&written);
        let writer = std::thread::Builder::new()
            .name("stream".into())
            .spawn(move || write_all(place, &waiting, &count))
            .context("starting the thread of --stream")?;
        let (lines, plan) = (Some(lines), None);
        let (said, left_out, has_ended) = (0, 0, false);
        Ok(Self { name, plan, lines, writer, said, written, left_out, has_ended })
    }

    /// The run begins.
    pub(crate) fn begin(&mut self, plan: &Plan, circumstances: &Circumstances) {
        self.plan = Some(plan.clone());
        self.say(Event::Plan(Box::new(Beginning::new(plan, circumstances))));
    }

    /// An interval is over.
    pub(crate) fn interval(&mut self, interval: &Interval) {
        let measured = self.plan.as_ref().and_then(|plan| Measured::new(plan, interval));
        if let Some(measured) = measured {
            self.say(Event::Interval(Box::new(measured)));
        }
    }

    /// The run has a report.
    pub(crate) fn end(&mut self, report: &Report) {
        self.has_ended = true;
        self.wait_for_room();
        self.say(Event::Summary(Box::new(Outcome::new(report, self.left_out))));
    }

    /// Ends, with the reason where the run has no report; whether all that was wanted is written.
    pub(crate) fn close(mut self, failed: Option<&anyhow::Error>) -> bool {
        if !self.has_ended {
            let reason = failed.map_or("the run was interrupted".into(), |e| format!("{e:#}"));
            self.wait_for_room();
            self.say(Event::Failed(Failure { reason, lines_left_out: self.left_out }));
        }
        self.lines = None;
        if !self.is_read_until(|stream| stream.writer.is_finished()) {
            let name = &self.name;
            tell(&format!("warning: --stream {name} is not read: its last lines are left out"));
            return false;
        }
        self.writer.join().is_ok_and(|lost| !lost)
    }

    /// What is last is not left out as long as somebody reads.
    fn wait_for_room(&self) {
        self.is_read_until(|stream| {
            let waiting = stream.said - stream.written.load(Ordering::Relaxed);
            waiting < MOST_WAITING as u64 || stream.writer.is_finished()
        });
    }

    /// Waits until something holds; false if nothing is read for too long.
    fn is_read_until(&self, holds: impl Fn(&Self) -> bool) -> bool {
        let (mut seen, mut since) = (u64::MAX, Instant::now());
        while !holds(self) {
            let written = self.written.load(Ordering::Relaxed);
            if written != seen {
                (seen, since) = (written, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    fn say(&mut self, event: Event) {
        let Some(lines) = &self.lines else { return };
        match lines.try_send(line(event)) {
            Ok(()) => self.said += 1,
            // The writer has said why it has ended.
            Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.left_out += 1;
                if self.left_out == 1 {
                    let name = &self.name;
                    tell(&format!(
                        "warning: --stream {name} is read too slowly: lines are left out, and \
                         counted in the last one"
                    ));
                }
            }
        }
    }
}

/// Writes lines as they come, each at once.
fn write_all(mut place: Place, lines: &Receiver<String>, written: &AtomicU64) -> bool {
    for line in lines {
        if let Err(error) = place.file.write_all(line.as_bytes()) {
            return place.is_lost(&error);
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
    false
}

/// An event as a line, now.
fn line(event: Event) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    store::to_json_line(&Line::new(event, now))
}
