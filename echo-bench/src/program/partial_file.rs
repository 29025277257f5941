//! The file that a run is kept in while it goes: [`PartialFile`], one line per piece of the
//! window. Written by the thread that gathers, which no request waits for. The run never ends
//! because of it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::console::tell;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_engine::{Beat, Connected, Observer};
use echo_bench_report::report::partial::Lines;
use echo_bench_report::report::{Circumstances, store};
use echo_net::Nanos;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct PartialFile {
    folder: PathBuf,
    lines: Lines,
    file: Option<(PathBuf, File)>,
    failed: bool,
}

impl PartialFile {
    /// For a run whose report is going to be in `folder`. Nothing is written before there is
    /// something to keep.
    pub(super) fn new(folder: &Path, plan: &Plan, circumstances: &Circumstances) -> Self {
        let (folder, lines) = (folder.to_owned(), Lines::new(plan, circumstances));
        Self { folder, lines, file: None, failed: false }
    }

    /// Removes it: there is something better.
    pub(super) fn remove(self) {
        if let Some((path, _)) = self.file {
            // Whatever is left of it does no harm.
            let _ = fs::remove_file(path);
        }
    }

    /// Says where it is, if it is.
    pub(super) fn mention(self) {
        if let Some((path, _)) = self.file {
            let path = path.display();
            tell(&format!("the intervals of the run are in {path} (show: echo-bench report)"));
        }
    }

    fn add(&mut self, interval: &Interval) -> io::Result<()> {
        let Some(lines) = self.lines.interval(interval)? else { return Ok(()) };
        if let Some((_, file)) = &mut self.file {
            return file.write_all(lines.as_bytes());
        }
        let (path, mut file) =
            create(&self.folder, self.lines.plan(), self.lines.circumstances())?;
        if let Err(error) = file.write_all(lines.as_bytes()) {
            // There is no room even for its first interval, so it says nothing.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        self.file = Some((path, file));
        Ok(())
    }
}

/// Makes a new file; what is there already is another run's.
fn create(
    folder: &Path,
    plan: &Plan,
    Circumstances { started_at, labels, .. }: &Circumstances,
) -> io::Result<(PathBuf, File)> {
    for name in store::names(started_at, plan, labels, "partial") {
        let path = folder.join(name);
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

impl Observer for PartialFile {
    fn connected(&mut self, connected: &Connected<'_>) {
        self.lines.connected(connected);
    }

    fn beat(&mut self, beat: &Beat) {
        self.lines.sums(beat.sums);
    }

    fn interval(&mut self, interval: &Interval, _lasted_ns: Option<Nanos>) {
        if self.failed {
            return;
        }
        if let Err(error) = self.add(interval) {
            self.failed = true;
            let folder = self.folder.display();
            tell(&format!(
                "warning: keeping the intervals of the run in {folder}: {error}; the run goes on"
            ));
        }
    }
}
