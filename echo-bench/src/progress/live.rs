//! The line that shows how a run goes: [`Live`]. It is made of looks at the run ([`Beat`]) alone,
//! and knows no terminal.

use std::collections::VecDeque;
use std::time::Duration;

use super::in_ascii;
use crate::view::StageNames;
use echo_bench_engine::plan::{Plan, StopRule};
use echo_bench_engine::record::Phase;
use echo_bench_engine::{Beat, Responses};
use echo_bench_report::describe::units;
use echo_bench_report::render::{Screen, width};
use echo_net::settings::TimeSpan;

/// Looks that are one moment: rate and percentiles are those of a second.
const MOMENT: usize = 10;

/// Looks that the sparkline shows.
const SPARKS: usize = 30;

/// Fewer signs show nothing.
const FEWEST_SPARKS: usize = 4;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LETTERS: [char; 4] = ['_', '.', ':', '#'];

/// How a run goes.
#[derive(Debug, Default)]
pub(super) struct Live {
    phase: Option<Phase>,
    /// Connections that are made, and that are wanted.
    connections: (u32, u32),
    /// Requests that are measured, where their number ends the run.
    requests: Option<u64>,
    /// Replies when the measured window began.
    before_window: u64,
    /// The looks of the last moment, the latest last.
    looks: VecDeque<(u64, Responses)>,
    /// Replies per second between looks, the latest last.
    rates: VecDeque<f64>,
    left: Option<Duration>,
    failed: u64,
    /// The measured window, where its length is known.
    window_ns: Option<u64>,
    stages: StageNames,
}

impl Live {
    /// Of a run that has not begun.
    pub(super) fn new(plan: &Plan) -> Self {
        let requests = match plan.stop {
            StopRule::Duration { .. } => None,
            StopRule::Requests { .. } => plan.own_requests(),
        };
        let window_ns = match plan.stop {
            StopRule::Duration { duration_ns } => Some(duration_ns),
            StopRule::Requests { .. } => None,
        };
        let stages = StageNames::of(plan);
        let connections = (0, plan.connections_at_start());
        Self { connections, requests, window_ns, stages, ..Self::default() }
    }

    /// Takes in a look at the run.
    pub(super) fn beat(&mut self, beat: &Beat) {
        let count = beat.responses.count();
        if beat.phase != Phase::Window && self.phase != Some(Phase::Window) {
            self.before_window = count;
        }
        self.phase = Some(beat.phase);
        self.connections.0 = beat.established;
        self.failed = beat.failed;
        if let Some((at, last)) = self.looks.back().filter(|(at, _)| beat.at > *at) {
            let came = count.saturating_sub(last.count());
            self.rates.push_back(came as f64 * 1e9 / (beat.at - at) as f64);
        }
        if beat.phase != Phase::SetUp {
            self.looks.push_back((beat.at, beat.responses.clone()));
        }
        self.looks.drain(..self.looks.len().saturating_sub(MOMENT + 1));
        self.rates.drain(..self.rates.len().saturating_sub(SPARKS));
        self.left = match self.requests {
            None => beat.left_ns.map(Duration::from_nanos),
            Some(requests) => self.left_of(requests, count),
        };
    }

    /// How long so many requests still take, at the rate of the last moment.
    fn left_of(&self, requests: u64, count: u64) -> Option<Duration> {
        let (rate, _) = self.moment().filter(|_| self.phase == Some(Phase::Window))?;
        let left = requests.saturating_sub(count.saturating_sub(self.before_window));
        Duration::try_from_secs_f64(left as f64 / rate).ok()
    }

    /// Replies per second of the last moment, and the replies.
    fn moment(&self) -> Option<(f64, Responses)> {
        let ((from, before), (at, now)) = self.looks.front().zip(self.looks.back())?;
        let replies = now.since(before);
        (at > from).then(|| (replies.count() as f64 * 1e9 / (at - from) as f64, replies))
    }

    /// The line, for a screen.
    pub(super) fn line(&self, screen: Screen) -> String {
        let columns = screen.columns().unwrap_or(Screen::USUAL).saturating_sub(1);
        let mut parts = vec![self.numbers()];
        let left = self.left.filter(|_| self.phase != Some(Phase::Drain));
        if let Some(left) = left {
            let seconds = Duration::from_secs(left.as_secs_f64().ceil() as u64);
            parts.push(format!("{} left", TimeSpan(seconds)));
        }
        parts.extend(self.stage().map(str::to_owned));
        if self.failed > 0 {
            parts.push(format!("{} failed", units::count(self.failed)));
        }
        let told = parts.join("  ");
        let phase = self.phase();
        let room = columns.saturating_sub(width(phase) + width(&told) + 4);
        let sparks =
            if room < FEWEST_SPARKS { String::new() } else { self.sparks(room, screen) };
        let line = [phase, &sparks, &told].into_iter().filter(|part| !part.is_empty());
        let line = line.collect::<Vec<_>>().join("  ");
        let line = if screen.is_ascii() { in_ascii(&line) } else { line };
        cut(&line, columns)
    }

    /// The stage of a load that the run is in.
    fn stage(&self) -> Option<&str> {
        let left = self.left.filter(|_| self.phase == Some(Phase::Window))?;
        let left_ns = u64::try_from(left.as_nanos()).ok()?;
        self.stages.at(self.window_ns?.saturating_sub(left_ns))
    }

    fn phase(&self) -> &'static str {
        match self.phase {
            None | Some(Phase::SetUp) => "connecting",
            Some(Phase::WarmUp) => "warm-up   ",
            Some(Phase::Window) => "measuring ",
            Some(Phase::Drain) => "draining  ",
        }
    }

    fn numbers(&self) -> String {
        let (made, wanted) = self.connections;
        if matches!(self.phase, None | Some(Phase::SetUp)) {
            return format!(
                "{} of {} connections",
                units::count(made.into()),
                units::count(wanted.into())
            );
        }
        let Some((rate, replies)) = self.moment() else { return String::new() };
        let latency = |quantile| {
            let ns = replies.quantile_ns(quantile);
            ns.map_or_else(|| "-".into(), |ns| units::time(ns as f64))
        };
        format!("{:>9}/s  p50 {:>7}  p99 {:>7}", units::rate(rate), latency(0.5), latency(0.99))
    }

    /// The rates of the last seconds, the highest as high as a sign is.
    fn sparks(&self, room: usize, screen: Screen) -> String {
        let signs: &[char] = if screen.is_ascii() { &LETTERS } else { &BLOCKS };
        let shown = self.rates.len().min(room);
        let rates = self.rates.iter().skip(self.rates.len() - shown);
        let highest = rates.clone().copied().fold(0.0, f64::max);
        let sign = |rate: &f64| {
            let share = if highest > 0.0 { rate / highest } else { 0.0 };
            signs[((share * signs.len() as f64) as usize).min(signs.len() - 1)]
        };
        rates.map(sign).collect()
    }
}

/// The beginning of a line, as far as it fits.
fn cut(line: &str, columns: usize) -> String {
    let mut shown = String::new();
    for character in line.chars() {
        shown.push(character);
        if width(&shown) > columns {
            shown.pop();
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use echo_bench_engine::Pulse;

    use super::*;

    const TENTH: u64 = 100_000_000;

    /// Looks at a run that gets `each` replies of 2 ms between them.
    fn after(live: &mut Live, looks: &[(Phase, u64)]) {
        let pulse = Arc::new(Pulse::default());
        pulse.established(7);
        for (place, &(phase, each)) in (1..).zip(looks) {
            pulse.answered(each, 2_000_000);
            let left = (phase != Phase::SetUp).then_some(4_200_000_000);
            live.beat(&pulse.beat(place * TENTH, phase, left));
        }
    }

    fn live() -> Live {
        Live { connections: (0, 1000), ..Live::default() }
    }

    #[test]
    fn it_tells_of_connections_then_of_the_last_moment() {
        let (mut run, screen) = (live(), Screen::of_columns(80));
        assert_eq!(run.line(screen), "connecting  0 of 1 000 connections");
        after(&mut run, &[(Phase::SetUp, 0)]);
        assert_eq!(run.line(screen), "connecting  7 of 1 000 connections");
        let (mut run, window) = (live(), [(Phase::Window, 50), (Phase::Window, 100)]);
        after(&mut run, &[&[(Phase::WarmUp, 0), (Phase::WarmUp, 10)], &window[..]].concat());
        assert_eq!(
            run.line(screen),
            "measuring   ▁▅█     533.33/s  p50 2.03 ms  p99 2.03 ms  5s left"
        );
        assert_eq!(
            run.line(screen.in_ascii()),
            "measuring   _:#     533.33/s  p50 2.03 ms  p99 2.03 ms  5s left"
        );
    }

    #[test]
    fn it_fits_whatever_the_numbers_are() {
        let mut run = live();
        after(&mut run, &[(Phase::Window, 99_999_999); 40]);
        run.failed = 123_456_789;
        for columns in [40, 60, 80, 200] {
            let line = run.line(Screen::of_columns(columns));
            assert!(width(&line) < columns, "{line}");
        }
        assert!(run.line(Screen::of_columns(80)).contains("999 999 990/s"));
    }

    #[test]
    fn of_a_number_of_requests_the_time_left_goes_by_the_pace() {
        let mut run = Live { requests: Some(3_000), ..live() };
        after(&mut run, &[(Phase::WarmUp, 500), (Phase::Window, 100), (Phase::Window, 100)]);
        assert_eq!(run.left, Some(Duration::from_millis(2_800)));
    }
}
