//! How a run goes, on stderr while it goes: a line that is renewed on a terminal (`live`), else
//! a plain line per interval. Never touched per request.

mod fleet;
mod live;

use std::io::Write;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::settings::TimeSpan;
use echo_proto::terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console;
use crate::view::{Feed, StageNames, Watched};
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_engine::{Beat, Connected, Observer};
use echo_bench_report::describe::units;
use echo_bench_report::report::{Report, Verdict};
pub use fleet::FleetProgress;
use live::Live;

/// Where progress goes.
#[derive(Debug)]
enum Out {
    Silent,
    Lines,
    Bar(ProgressBar),
    /// A full-screen view has the terminal.
    View(Feed),
}

impl Out {
    /// The view, if there is one; a bar or a line that is renewed, where there is a terminal for
    /// it.
    fn new(quiet: bool, view: Option<Feed>, bar: impl FnOnce() -> ProgressBar) -> Self {
        if let Some(feed) = view {
            Self::View(feed)
        } else if quiet {
            Self::Silent
        } else if console::is_stderr_live() {
            Self::Bar(bar())
        } else {
            Self::Lines
        }
    }
}

/// Shows the progress of a run.
#[derive(Debug)]
pub struct Progress {
    out: Out,
    watched: Option<Watched>,
    live: Live,
    interval_ns: u64,
    stages: StageNames,
}

impl Progress {
    /// For a run of `plan`, on the view if there is one; nothing is shown if `quiet`.
    pub fn new(plan: &Plan, quiet: bool, view: Option<Feed>) -> Self {
        let live = Live::new(plan);
        let watched = view.clone().map(|feed| Watched::new(feed, plan));
        let out = Out::new(quiet, view, || line_of(&live));
        let stages = StageNames::of(plan);
        Self { out, watched, live, interval_ns: plan.interval_ns, stages }
    }

    /// Takes the line off the screen.
    pub fn finish(&self) {
        if let Out::Bar(bar) = &self.out {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        if let Out::Lines = &self.out {
            let screen = console::screen_of_stderr();
            let text = if screen.is_ascii() { in_ascii(text) } else { text.to_owned() };
            // Nobody may be there to read it any more, and the run goes on.
            drop(writeln!(std::io::stderr(), "{text}"));
        }
    }
}

/// Units as a terminal shows them that knows ASCII only.
fn in_ascii(text: &str) -> String {
    text.replace('µ', "u")
}

/// A line that is renewed as often as there is something new.
fn line_of(live: &Live) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar.set_message(live.line(console::screen_of_stderr()));
    bar
}

impl Observer for Progress {
    fn connected(&mut self, connected: &Connected<'_>) {
        let established = connected.established.into();
        self.watched.iter().for_each(|watched| watched.connected(connected));
        self.say(&format!("{}, warming up", units::counted(established, "connection")));
    }

    fn beat(&mut self, beat: &Beat) {
        if let Out::Bar(line) = &self.out {
            self.live.beat(beat);
            line.set_message(self.live.line(console::screen_of_stderr()));
        }
        self.watched.iter().for_each(|watched| watched.beat(beat));
    }

    fn interval(&mut self, interval: &Interval, lasted_ns: Option<Nanos>) {
        self.watched.iter_mut().for_each(|watched| watched.interval(interval));
        if lasted_ns == Some(0) {
            return;
        }
        let begin_ns = interval.index.saturating_mul(self.interval_ns);
        let end_ns = begin_ns.saturating_add(lasted_ns.unwrap_or(self.interval_ns));
        let rate = |ns: Nanos| units::rate(interval.tally.answered as f64 * 1e9 / ns as f64);
        let rate = lasted_ns.map_or_else(|| "n/a".to_owned(), rate);
        let response = interval.latencies.response.histogram();
        let latency = |quantile| {
            if response.is_empty() {
                "n/a".to_owned()
            } else {
                units::time(response.value_at_quantile(quantile) as f64)
            }
        };
        let stage =
            self.stages.at(begin_ns).map(|name| format!("  {name}")).unwrap_or_default();
        let failed = interval.tally.failed();
        let failed = if failed > 0 {
            format!("  {} failed", units::count(failed))
        } else {
            String::new()
        };
        self.say(&format!(
            "{:6.1} s  {rate:>10}/s  p50 {}  p99 {}{failed}{stage}",
            end_ns as f64 / 1e9,
            latency(0.5),
            latency(0.99),
        ));
    }
}

/// Shows the progress of a sweep: a line per run, and on a terminal a bar with the time left.
#[derive(Debug)]
pub struct SweepProgress {
    out: Out,
    /// What the runs are.
    what: &'static str,
    runs: usize,
    done: usize,
    /// Time that the plans of all runs come to.
    expected: Duration,
    /// Time that the runs took so far.
    spent: Duration,
}

impl SweepProgress {
    /// For so many runs of `what`, which should take about `expected`.
    pub fn new(
        what: &'static str,
        runs: usize,
        expected: Duration,
        quiet: bool,
        view: Option<Feed>,
    ) -> Self {
        let out = Out::new(quiet, view, || {
            let target = ProgressDrawTarget::stderr_with_hz(8);
            let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
            let template = "{elapsed_precise} {bar:24} {pos}/{len}  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(125));
            bar
        });
        let progress = Self { out, what, runs, done: 0, expected, spent: Duration::ZERO };
        progress.tell_view();
        progress
    }

    fn tell_view(&self) {
        if let Out::View(feed) = &self.out {
            feed.session(self.what, self.done, Some(self.runs), Some(self.left().0));
        }
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.out {
            Out::Silent => {}
            Out::Bar(bar) => bar.println(terminal::printable(text)),
            Out::View(_) => console::tell(text),
            Out::Lines => {
                let text = terminal::printable(text);
                let is_ascii = console::screen_of_stderr().is_ascii();
                let text = if is_ascii { in_ascii(&text) } else { text };
                drop(writeln!(std::io::stderr(), "{text}"));
            }
        }
    }

    /// A run has ended.
    pub fn run(&mut self, name: &str, took: Duration, outcome: &Result<Report, String>) {
        self.done += 1;
        self.spent += took;
        let left = self.left();
        let told = match outcome {
            Ok(report) => told(report),
            Err(reason) => format!("FAILED: {}", reason.lines().next().unwrap_or("")),
        };
        let (done, runs) = (self.done, self.runs);
        let place = format!("[{done:>3}/{runs}] {name}: {told}");
        if let Out::Bar(bar) = &self.out {
            self.say(&place);
            bar.set_position(done as u64);
            bar.set_message(format!("about {left} left"));
        } else {
            self.say(&format!("{place}; about {left} left"));
            self.tell_view();
        }
    }

    /// By the pace so far; runs of a count of requests tell nothing before they are made.
    fn left(&self) -> TimeSpan {
        let planned = self.expected.as_secs_f64() / self.runs.max(1) as f64;
        let each = self.spent.as_secs_f64() / self.done.max(1) as f64;
        let left = each.max(planned) * (self.runs - self.done) as f64;
        TimeSpan(Duration::from_secs(left.round() as u64))
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Out::Bar(bar) = &self.out {
            bar.finish_and_clear();
        }
    }
}

/// A run in a few words.
fn told(report: &Report) -> String {
    let summary = &report.summary;
    let rate = summary.achieved_per_s.map_or("n/a".into(), units::rate);
    let latency = summary.latency.response.as_ref().map_or(String::new(), |response| {
        let (p50, p99) = (response.p50_ns as f64, response.p99_ns as f64);
        format!(", p50 {}, p99 {}", units::time(p50), units::time(p99))
    });
    let failed = summary.requests.failed();
    let failed =
        if failed > 0 { format!(", {} failed", units::count(failed)) } else { String::new() };
    let verdict = match report.verdict {
        Verdict::Valid => String::new(),
        verdict => format!(", {verdict}"),
    };
    format!("{rate}/s{latency}{failed}{verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_knows_ascii_only_gets_no_other_unit() {
        assert_eq!(in_ascii(&format!("p50 {}", units::time(42_600.0))), "p50 42.6 us");
    }
}
