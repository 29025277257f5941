//! How a run goes, on stderr while it goes: a bar on a terminal, else a plain line per
//! interval. Never touched per request.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Observer;
use crate::plan::{Plan, StopRule};
use crate::record::Interval;
use crate::render::units;

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
        Self { out, interval_ns: plan.interval_ns, window_ns, requests, done: 0 }
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
    bar.set_message(format!("connecting {} connections", plan.connections));
    bar.enable_steady_tick(Duration::from_millis(125));
    bar
}

impl Observer for Progress {
    fn connected(&mut self, established: u32) {
        let text = format!("{} connections, warming up", units::count(established.into()));
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
            "{:6.1} s  {:>10}/s  p50 {}  p99 {}{failed}",
            end_ns as f64 / 1e9,
            units::rate(interval.tally.answered as f64 * 1e9 / length_ns as f64),
            latency(0.5),
            latency(0.99),
        );
        let position = if self.requests.is_some() { self.done } else { end_ns / 1_000_000 };
        self.say(&text, Some(position));
    }
}
