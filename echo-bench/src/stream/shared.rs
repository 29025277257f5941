//! The lines of several runs, each made by a process of its own: [`SharedStream`]. This process says
//! which run begins; the run's process writes the rest to the same place, as its stdout.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use super::{Place, line};
use echo_bench_report::stream::{Event, NextRun};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SharedStream {
    place: Place,
    begun: u64,
    /// It takes no more lines.
    is_over: bool,
    has_lost: bool,
}

impl SharedStream {
    /// Lines to a place that was typed.
    ///
    /// # Errors
    /// When it can't be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { place: Place::open(path)?, begun: 0, is_over: false, has_lost: false })
    }

    /// The next run begins.
    pub(crate) fn next(&mut self, of: Option<u64>, name: &str) {
        self.begun += 1;
        self.say(Event::Run(NextRun { number: self.begun, of, name: name.into() }));
    }

    /// No more runs begin; whether all that was wanted is written.
    pub(crate) fn close(&mut self) -> bool {
        self.say(Event::End);
        !self.has_lost
    }

    /// The stdout of the process that makes the run, if it still has any use.
    pub(crate) fn stdout(&self) -> Option<Stdio> {
        let file = self.place.file.try_clone().ok().filter(|_| !self.is_over)?;
        Some(file.into())
    }

    fn say(&mut self, event: Event) {
        if self.is_over {
            return;
        }
        if let Err(error) = self.place.file.write_all(line(event).as_bytes()) {
            self.is_over = true;
            self.has_lost = self.place.is_lost(&error);
        }
    }
}
