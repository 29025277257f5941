//! How a run goes, on stderr while it goes: a bar on a terminal, else a plain line per
//! interval. Never touched per request.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use echo_net::settings::TimeSpan;
use echo_proto::terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use echo_bench_engine::plan::{Load, Plan, StopRule};
use echo_bench_engine::record::Interval;
use echo_bench_engine::schedule::Stage;
use echo_bench_engine::{Connected, Observer};
use echo_bench_report::describe::units;
use echo_bench_report::report::{Report, Verdict};

/// Where progress goes.
#[derive(Debug)]
enum Out {
    Silent,
    Lines,
    Bar(ProgressBar),
}

/// Shows the progress of a run.
#[derive(Debug)]
pub struct Progress {
    out: Out,
    interval_ns: u64,
    window_ns: Option<u64>,
    requests: Option<u64>,
    done: u64,
    /// The stages of the load: when each ends, and its name.
    stages: Vec<(u64, String)>,
}

impl Progress {
    /// For a run of `plan`; nothing is shown if `quiet`.
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let (window_ns, requests) = match plan.stop {
            StopRule::Duration { duration_ns } => (Some(duration_ns), None),
            StopRule::Requests { requests } => (None, Some(requests)),
        };
        let out = if quiet {
            Out::Silent
        } else if std::io::stderr().is_terminal() {
            Out::Bar(bar(plan, requests))
        } else {
            Out::Lines
        };
        let (interval_ns, stages) = (plan.interval_ns, stages(plan));
        Self { out, interval_ns, window_ns, requests, done: 0, stages }
    }

    /// The stage that an instant of the window lies in, where there are stages.
    fn stage(&self, at_ns: u64) -> String {
        let stage = self.stages.iter().find(|(end, _)| at_ns < *end);
        stage.map_or_else(String::new, |(_, name)| format!("  {name}"))
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Out::Bar(bar) = &self.out {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str, position: Option<u64>) {
        match &self.out {
            Out::Silent => {}
            Out::Bar(bar) => {
                bar.set_message(text.to_owned());
                if let Some(position) = position {
                    bar.set_position(position);
                }
            }
            // Nobody may be there to read it any more, and the run goes on.
            Out::Lines => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }
}

/// When the stages of a load end, in nanoseconds of the window, and what they are called.
fn stages(plan: &Plan) -> Vec<(u64, String)> {
    let Load::Staged { stages, .. } = &plan.load else { return Vec::new() };
    let count = stages.len();
    let name = |(number, stage): (usize, &Stage)| format!("stage {number}/{count} {stage}");
    plan.load.stage_ends().into_iter().zip((1..).zip(stages).map(name)).collect()
}

fn bar(plan: &Plan, requests: Option<u64>) -> ProgressBar {
    // The bar counts milliseconds of the window, or requests.
    let length = requests.unwrap_or(match plan.stop {
        StopRule::Duration { duration_ns } => duration_ns / 1_000_000,
        StopRule::Requests { requests } => requests,
    });
    let bar =
        ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(8));
    let style =
        ProgressStyle::with_template("{elapsed_precise} {bar:24} {percent:>3} %  {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(format!(
        "connecting {}",
        units::counted(plan.connections.into(), "connection")
    ));
    bar.enable_steady_tick(Duration::from_millis(125));
    bar
}

impl Observer for Progress {
    fn connected(&mut self, connected: &Connected<'_>) {
        let established = connected.established.into();
        let text = format!("{}, warming up", units::counted(established, "connection"));
        self.say(&text, None);
    }

    fn interval(&mut self, interval: &Interval) {
        self.done += interval.tally.ok;
        let end_ns = (interval.index + 1) * self.interval_ns;
        let end_ns = self.window_ns.map_or(end_ns, |window| end_ns.min(window));
        let length_ns = end_ns.saturating_sub(interval.index * self.interval_ns);
        if length_ns == 0 {
            return;
        }
        let response = interval.latencies.response.histogram();
        let latency = |quantile| {
            if response.is_empty() {
                "n/a".to_owned()
            } else {
                units::time(response.value_at_quantile(quantile) as f64)
            }
        };
        let failed = interval.tally.failed();
        let failed = if failed > 0 {
            format!("  {} failed", units::count(failed))
        } else {
            String::new()
        };
        let text = format!(
            "{:6.1} s  {:>10}/s  p50 {}  p99 {}{failed}{}",
            end_ns as f64 / 1e9,
            units::rate(interval.tally.answered as f64 * 1e9 / length_ns as f64),
            latency(0.5),
            latency(0.99),
            self.stage(interval.index.saturating_mul(self.interval_ns)),
        );
        let position = if self.requests.is_some() { self.done } else { end_ns / 1_000_000 };
        self.say(&text, Some(position));
    }
}

/// Shows the progress of a sweep: a line per run, and on a terminal a bar with the time left.
#[derive(Debug)]
pub struct SweepProgress {
    out: Out,
    runs: usize,
    done: usize,
    /// Time that the plans of all runs come to.
    expected: Duration,
    /// Time that the runs took so far.
    spent: Duration,
}

impl SweepProgress {
    /// For so many runs, which should take about `expected`.
    pub fn new(runs: usize, expected: Duration, quiet: bool) -> Self {
        let out = if quiet {
            Out::Silent
        } else if std::io::stderr().is_terminal() {
            let target = ProgressDrawTarget::stderr_with_hz(8);
            let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
            let template = "{elapsed_precise} {bar:24} {pos}/{len}  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(125));
            Out::Bar(bar)
        } else {
            Out::Lines
        };
        Self { out, runs, done: 0, expected, spent: Duration::ZERO }
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.out {
            Out::Silent => {}
            Out::Bar(bar) => bar.println(terminal::printable(text)),
            Out::Lines => {
                drop(writeln!(std::io::stderr(), "{}", terminal::printable(text)));
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
