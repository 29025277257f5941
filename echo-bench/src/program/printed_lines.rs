//! Says on stdout how this process goes, in the lines of a partial file: [`PrintedLines`], for the
//! process that has started it.

use std::io::{self, Write};

use echo_bench_engine::record::Interval;
use echo_bench_engine::{Beat, Connected, Observer};
use echo_bench_report::report::partial::Lines;
use echo_net::Nanos;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct PrintedLines {
    lines: Lines,
    /// Nobody reads them any more.
    is_over: bool,
}

impl PrintedLines {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, is_over: false }
    }

    fn print(&mut self, lines: &str) {
        if self.is_over {
            return;
        }
        let mut out = io::stdout().lock();
        // The run goes on without listeners.
        self.is_over = out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_err();
    }
}

impl Observer for PrintedLines {
    fn connected(&mut self, connected: &Connected<'_>) {
        self.lines.connected(connected);
        if let Ok(Some(line)) = self.lines.begun() {
            self.print(&line);
        }
    }

    fn beat(&mut self, beat: &Beat) {
        self.lines.sums(beat.sums);
    }

    fn interval(&mut self, interval: &Interval, _lasted_ns: Option<Nanos>) {
        if let Ok(Some(lines)) = self.lines.interval(interval) {
            self.print(&lines);
        }
    }
}
