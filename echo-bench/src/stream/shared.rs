//! The lines of several runs, each made by a process of its own: [`SharedStream`]. This process says
//! which run begins; the run's process writes the rest to the same place, as its stdout.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;

use super::writer::{Place, Writer};
use echo_bench_report::stream::{Event, NextRun};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SharedStream {
    /// The same place, for the processes.
    file: File,
    /// None once it takes no more lines.
    writer: Option<Writer>,
    begun: u64,
    has_lost: bool,
}

impl SharedStream {
    /// Lines to a place that was typed.
    ///
    /// # Errors
    /// When it can't be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Self::to(Place::open(path)?, Writer::start)
    }

    fn to(
        place: Place,
        start: impl FnOnce(Place) -> anyhow::Result<Writer>,
    ) -> anyhow::Result<Self> {
        let file = place.file.try_clone();
        let file = file.with_context(|| format!("writing --stream {}", place.name))?;
        Ok(Self { file, writer: Some(start(place)?), begun: 0, has_lost: false })
    }

    /// The next run begins.
    pub(crate) fn next(&mut self, of: Option<u64>, name: &str) {
        self.begun += 1;
        self.say(Event::Run(NextRun { number: self.begun, of, name: name.into() }));
    }

    /// No more runs begin; whether all that was wanted is written.
    pub(crate) fn close(&mut self) -> bool {
        self.say(Event::End);
        self.writer.take().is_none_or(Writer::close) && !self.has_lost
    }

    /// The stdout of the process that makes the run, if it still has any use.
    pub(crate) fn stdout(&self) -> Option<Stdio> {
        let file = self.file.try_clone().ok().filter(|_| self.writer.is_some())?;
        Some(file.into())
    }

    fn say(&mut self, event: Event) {
        let Some(mut writer) = self.writer.take() else { return };
        writer.say(event);
        // What the process of a run writes comes after it.
        match writer.flushed() {
            Ok(writer) => self.writer = Some(writer),
            Err(is_written) => self.has_lost |= !is_written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Duration;

    use rustix::pipe::{fcntl_setpipe_size, pipe};

    use super::*;

    #[test]
    fn runs_do_not_wait_for_a_reader_that_reads_nothing() {
        let (reader, writer) = pipe().unwrap();
        let size = fcntl_setpipe_size(&writer, 4096).unwrap();
        let mut file = File::from(writer);
        file.write_all(&vec![b'x'; size]).unwrap();
        let place = Place { file, name: "test".into() };
        let patience = Duration::from_millis(50);
        let start = |place| Writer::with_patience(place, patience);
        let mut stream = SharedStream::to(place, start).unwrap();
        for _ in 0..2 {
            stream.next(Some(2), "a run");
            assert!(stream.stdout().is_none(), "its process has no use for it either");
        }
        assert!(!stream.close(), "lines are lost");
        drop(reader);
    }

    #[test]
    fn a_run_is_announced_before_its_process_writes() {
        let (reader, writer) = pipe().unwrap();
        let place = Place { file: File::from(writer), name: "test".into() };
        let mut stream = SharedStream::to(place, Writer::start).unwrap();
        let mut file = stream.file.try_clone().unwrap();
        for name in ["one", "two"] {
            stream.next(None, name);
            writeln!(file, "of {name}").unwrap();
        }
        assert!(stream.close());
        drop((stream, file));
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("\"one\"") && lines[2].contains("\"two\""), "{text}");
        assert_eq!((lines[1], lines[3], lines.len()), ("of one", "of two", 5));
    }
}
