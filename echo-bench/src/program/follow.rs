//! The way of `report --live`: a run of another process is shown while it goes, by the partial file
//! that it keeps. Nothing of that run is touched.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use echo_net::signals;
use echo_net::stop::{Stage, Stop};

use super::{UsageError, open_view};
use crate::console::{self, tell};
use crate::view::{Followed, FullScreen};
use echo_bench_report::bounded;
use echo_bench_report::report::document::{self, Document};
use echo_bench_report::report::store;

/// Longest line, and most that is read at once.
const LONGEST_LINE: u64 = 64 << 20;

/// How often it is looked whether there is more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// After so long without a new piece the view says so: the run may have been killed.
const SILENCE: Duration = Duration::from_secs(10);

/// Shows a run while it goes, until it ends or the user has seen enough. Its report, if it has
/// ended; else what was known of it by then.
///
/// # Errors
/// When the file can't be read, or there is no terminal for the view.
pub(super) fn follow(path: &Path) -> anyhow::Result<Document> {
    let reading = || format!("reading {}", path.display());
    if !console::is_stderr_live() {
        let reason = anyhow::anyhow!("report --live needs a terminal (leave --live out)");
        return Err(UsageError::new(reason).into());
    }
    let mut file =
        File::open(path).with_context(reading).map_err(|error| hinted(error, path))?;
    let stop = Stop::new();
    signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let view = open_view(true)?;
    let Some(feed) = view.as_ref().map(FullScreen::feed) else { return Ok(store::open(path)?) };
    let mut followed = Followed::new(feed.patient(), path.display().to_string());
    let (mut tail, mut seen_at) = (Tail::default(), Some(Instant::now()));
    let is_over = loop {
        // Asked before it is read, so that nothing is missed.
        let is_over = file.metadata().with_context(reading)?.nlink() == 0;
        let lines = tail.more(&mut file).with_context(reading)?;
        for line in &lines {
            let shown = followed.line(line);
            shown.with_context(|| format!("{} is not kept by a run", path.display()))?;
        }
        if !lines.is_empty() {
            seen_at = Some(Instant::now());
        }
        if is_over || stop.stage() > Stage::Running {
            break is_over;
        }
        if seen_at.is_some_and(|at| at.elapsed() > SILENCE) {
            seen_at = None;
            tell(
                "note: no new interval for 10 s: the run may have been killed (q ends the view)",
            );
        }
        thread::sleep(LOOK_EVERY);
    };
    drop(view);
    let report = path.with_extension("json");
    if is_over && report.is_file() {
        return Ok(store::open(&report)?);
    }
    // A file that was removed can still be read here.
    file.rewind().with_context(reading)?;
    let text = bounded::read_from(file, bounded::DOCUMENT).with_context(reading)?;
    Ok(document::interpret(text, path.to_owned())?)
}

/// Names the report of a run that has ended.
fn hinted(error: anyhow::Error, path: &Path) -> anyhow::Error {
    let report = path.with_extension("json");
    if report.is_file() {
        return error.context(format!("the run has ended: its report is {}", report.display()));
    }
    error
}

/// What was read of a file that grows.
#[derive(Debug, Default)]
struct Tail {
    /// A line that is not whole yet.
    begun: Vec<u8>,
    read: u64,
}

impl Tail {
    /// The lines that are new.
    fn more(&mut self, file: &mut (impl Read + Seek)) -> std::io::Result<Vec<String>> {
        file.seek(SeekFrom::Start(self.read))?;
        if self.begun.len() as u64 > LONGEST_LINE {
            return Err(std::io::Error::other("a line is longer than 64 MiB"));
        }
        self.read += file.take(LONGEST_LINE).read_to_end(&mut self.begun)? as u64;
        let Some(end) = memchr::memrchr(b'\n', &self.begun) else { return Ok(Vec::new()) };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        let whole = String::from_utf8_lossy(&whole);
        Ok(whole.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn lines_are_read_once_they_are_whole() {
        let (mut tail, mut file) = (Tail::default(), Cursor::new(b"one\ntw".to_vec()));
        assert_eq!(tail.more(&mut file).unwrap(), ["one"]);
        assert!(tail.more(&mut file).unwrap().is_empty());
        file.get_mut().extend_from_slice(b"o\nthree\nf");
        assert_eq!(tail.more(&mut file).unwrap(), ["two", "three"]);
        file.get_mut().extend_from_slice(b"our\n");
        assert_eq!(tail.more(&mut file).unwrap(), ["four"]);
    }
}
