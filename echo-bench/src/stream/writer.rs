//! Writes the lines of a stream by a thread of its own: [`Writer`], to a [`Place`]. Nobody waits
//! for a reader longer than a while.

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
use echo_bench_report::output;
use echo_bench_report::report::store;
use echo_bench_report::stream::{Event, Line};

/// Lines that wait to be written, some hundred bytes each. More are left out.
const MOST_WAITING: usize = 1024;

/// How long a reader may read nothing, where it is waited for, before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// From one look at the thread to the next.
const LOOK: Duration = Duration::from_millis(5);

/// Where lines go, open.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) file: File,
    pub(super) name: String,
}

impl Place {
    /// Opens a place that was typed; what is in the file is gone then.
    ///
    /// # Errors
    /// When it can't be written to.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
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

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Writer {
    name: String,
    lines: Option<SyncSender<String>>,
    /// Whether something was lost.
    thread: JoinHandle<bool>,
    /// Lines that were handed to it, and that it has written.
    said: u64,
    written: Arc<AtomicU64>,
    left_out: u64,
    patience: Duration,
}

impl Writer {
    /// Writes to this place.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(place: Place) -> anyhow::Result<Self> {
        Self::with_patience(place, PATIENCE)
    }

    /// The same, which waits for a reader so long.
    pub(super) fn with_patience(place: Place, patience: Duration) -> anyhow::Result<Self> {
        let (name, written) = (place.name.clone(), Arc::new(AtomicU64::new(0)));
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let count = Arc::clone(&written);
        let thread = std::thread::Builder::new()
            .name("stream".into())
            .spawn(move || write_all(place, &waiting, &count))
            .context("starting the thread of --stream")?;
        let (said, left_out, lines) = (0, 0, Some(lines));
        Ok(Self { name, lines, thread, said, written, left_out, patience })
    }

    /// Hands over a line, or leaves it out if too many wait.
    pub(super) fn say(&mut self, event: Event) {
        let Some(lines) = &self.lines else { return };
        match lines.try_send(line(event)) {
            Ok(()) => self.said += 1,
            // The thread has said why it has ended.
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

    /// Lines that were left out.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Waits until there is room for a line, as long as somebody reads.
    pub(super) fn wait_for_room(&self) {
        self.is_read_until(|writer| {
            writer.waiting() < MOST_WAITING as u64 || writer.thread.is_finished()
        });
    }

    /// Waits until all is written, or can't be; itself if more can be written, else whether all that
    /// was wanted is written.
    pub(super) fn flushed(self) -> Result<Self, bool> {
        let is_done = |writer: &Self| writer.waiting() == 0 || writer.thread.is_finished();
        if !self.is_read_until(is_done) {
            self.tell_unread();
            return Err(false);
        }
        if self.thread.is_finished() { Err(self.close()) } else { Ok(self) }
    }

    /// Ends; whether all that was wanted is written.
    pub(super) fn close(mut self) -> bool {
        self.lines = None;
        if !self.is_read_until(|writer| writer.thread.is_finished()) {
            self.tell_unread();
            return false;
        }
        self.thread.join().is_ok_and(|lost| !lost)
    }

    fn tell_unread(&self) {
        let name = &self.name;
        tell(&format!("warning: --stream {name} is not read: its last lines are left out"));
    }

    fn waiting(&self) -> u64 {
        self.said - self.written.load(Ordering::Relaxed)
    }

    /// Waits until something holds; false if nothing is read for too long.
    fn is_read_until(&self, holds: impl Fn(&Self) -> bool) -> bool {
        let (mut seen, mut since) = (u64::MAX, Instant::now());
        while !holds(self) {
            let written = self.written.load(Ordering::Relaxed);
            if written != seen {
                (seen, since) = (written, Instant::now());
            }
            if since.elapsed() > self.patience {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
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
