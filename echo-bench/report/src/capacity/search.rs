//! The search for the highest rate that meets the objectives: [`Search`], which says what to
//! measure [`next`](Search::next), given what was measured so far and the time that is left.
//! It starts no run and reads no clock.
//!
//! A bracket first: from a first guess up until a rate fails, and down until one passes. Then
//! bisection on a logarithmic scale. A rate that can't be judged is measured for longer, and the
//! gaps on both sides of it are narrowed; what stays undecided lies inside the interval. The ends
//! of the interval are measured once more, the lower one after a rate that failed and the upper
//! one after a rate that passed.

use std::time::Duration;

use super::{Approach, RateVerdict};

mod bracket;
mod confirmation;
#[cfg(test)]
mod tests;

pub use bracket::Bracket;

/// How much the first guess is below what a closed loop carried: below its knee.
const BELOW_HINT: f64 = 0.7;

/// By how much the rate rises until one fails: after a guess, and without one.
const UP_FROM_HINT: f64 = 1.4;
const UP: f64 = 2.0;

/// Most of a rise: each is greater than the one before it, for a guess may be far off.
const MOST_UP: f64 = 4.0;

/// So many runs in a row that gave no report end the search.
const MOST_FAILURES: u32 = 3;

/// Most windows of a rate that can't be judged while there is no bracket: at least and at most.
/// Within these, one rate takes no more than an eighth of the budget. Short runs on a machine with
/// other guests are rarely decided, and to leave a rate too early costs the budget at all rates.
const WINDOWS_AT_FIRST: [u32; 2] = [2, 8];
const PART_AT_FIRST: u32 = 8;

/// A gap between the bracket and a rate that can't be judged is narrowed while it is more than
/// this part of the bracket; then that rate is measured for longer.
const WIDE_GAP: f64 = 0.34;

/// Most windows of one run, and most of one rate: after 1, 2, 4, 8, 16, 24 and 32 of them it is
/// judged. With the correction for five looks, whose samples are independent of none of the others,
/// a rate at the limit is called wrongly in 5 % of cases over all of these (in 6 % with 64 windows).
const LONGEST_RUN: u32 = 8;
const MOST_WINDOWS: u32 = 32;

/// A rate that failed below one that passed counts against it until each was measured for so many
/// windows; then the latency is worse at the lower one, as it is where idle CPUs sleep deeply.
const SETTLED: u32 = 8;

/// What a search is to find, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The lowest rate per second that is tried.
    pub min_rate: f64,
    /// The highest.
    pub max_rate: f64,
    /// The width of the interval that is narrow enough, as a share of its lower end.
    pub precision: f64,
    /// The time for all runs.
    pub budget: Duration,
    /// The measured window of a step.
    pub window: Duration,
    /// What a run needs beside its window: starting, warm-up, drain.
    pub around: Duration,
}

/// What to measure next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// A closed loop, for a first guess.
    Probe,
    /// Open load at this rate.
    Step {
        /// Requests per second.
        rate: f64,
        /// The measured window, as a multiple of that of a step.
        windows: u32,
        /// The side from which it is approached.
        approach: Approach,
    },
    /// Nothing more.
    Done(Ending),
}

/// Why a search has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The interval is narrow enough, and its ends were measured from both sides.
    Precise,
    /// The rates inside the interval stayed undecided after the longest measurement.
    Undecided,
    /// The budget is used up.
    Budget,
    /// The highest rate that may be tried passed.
    AtMost,
    /// The lowest rate that may be tried failed.
    AtLeast,
    /// Above the highest rate that passed the generator is the limit.
    Generator,
    /// Runs gave no report.
    Broken,
    /// Someone stopped it.
    Interrupted,
}

/// What all runs at one rate come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Of all of them together.
    pub verdict: RateVerdict,
    /// Of those that were approached from the same side as the last one.
    pub from_this_side: RateVerdict,
}

/// A rate that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) rate: f64,
    /// Windows of all its runs.
    windows: u32,
    all: RateVerdict,
    /// By side: from below, from above.
    sides: [Option<RateVerdict>; 2],
}

impl Point {
    /// What it comes to. A rate that passes from one side and fails from the other is neither.
    pub(super) fn verdict(&self) -> RateVerdict {
        match self.sides {
            [Some(RateVerdict::Passed), Some(RateVerdict::Failed)]
            | [Some(RateVerdict::Failed), Some(RateVerdict::Passed)] => RateVerdict::Differs,
            _ => self.all,
        }
    }
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    bounds: Bounds,
    probed: bool,
    hint: Option<f64>,
    /// By rate, rising.
    points: Vec<Point>,
    last: Option<(f64, Approach, RateVerdict)>,
    spent: Duration,
    /// Time beside the windows of the runs so far, and how many these were.
    beside: (Duration, u32),
    failures: u32,
}

impl Search {
    /// A search that has not begun.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            probed: false,
            hint: None,
            points: Vec::new(),
            last: None,
            spent: Duration::ZERO,
            beside: (Duration::ZERO, 0),
            failures: 0,
        }
    }

    /// The time that its runs took so far.
    pub fn spent(&self) -> Duration {
        self.spent
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.bounds.budget.saturating_sub(self.spent)
    }

    /// The lowest rate that is tried.
    pub(super) fn lowest(&self) -> f64 {
        self.bounds.min_rate
    }

    /// The closed loop carried so many requests per second; `None` if it gave no result.
    pub fn record_probe(&mut self, per_s: Option<f64>, took: Duration) {
        self.probed = true;
        self.hint = per_s.filter(|rate| rate.is_finite() && *rate > 0.0);
        self.spent += took;
    }

    /// A step was measured.
    pub fn record(&mut self, rate: f64, windows: u32, judged: Judged, took: Duration) {
        let approach = self.approach(rate);
        self.spent += took;
        self.beside.0 += took.saturating_sub(self.bounds.window * windows);
        self.beside.1 += 1;
        self.failures = 0;
        let place = self.points.partition_point(|point| point.rate < rate);
        if self.points.get(place).is_none_or(|point| point.rate > rate) {
            let (all, sides) = (judged.verdict, [None, None]);
            self.points.insert(place, Point { rate, windows: 0, all, sides });
        }
        let point = &mut self.points[place];
        point.windows = point.windows.saturating_add(windows);
        point.all = judged.verdict;
        point.sides[approach as usize] = Some(judged.from_this_side);
        self.last = Some((rate, approach, judged.from_this_side));
    }

    /// A run gave no report.
    pub fn record_failure(&mut self, took: Duration) {
        self.spent += took;
        self.failures += 1;
    }

    /// Whether a rate passes from one side and fails from the other.
    pub(super) fn differs(&self, rate: f64) -> bool {
        let mut at = self.points.iter().filter(|point| point.rate.total_cmp(&rate).is_eq());
        at.any(|point| point.verdict() == RateVerdict::Differs)
    }

    /// The side from which a run at `rate` would be approached now: from above after a rate that
    /// failed. A run that follows one at the same rate continues it.
    fn approach(&self, rate: f64) -> Approach {
        match self.last {
            #[expect(clippy::float_cmp, reason = "the very same rate, which was stored")]
            Some((last, approach, _)) if last == rate => approach,
            Some((_, _, RateVerdict::Failed)) => Approach::Above,
            _ => Approach::Below,
        }
    }

    /// What to measure next.
    pub fn next(&self) -> Next {
        if self.failures >= MOST_FAILURES {
            return Next::Done(Ending::Broken);
        }
        if !self.probed {
            return Next::Probe;
        }
        let bracket = self.bracket();
        if let Some((rate, windows)) = self.contradiction() {
            return self.affordable(&bracket, rate, windows);
        }
        let wanted = match (bracket.low, bracket.ceiling()) {
            (Some(low), Some(high)) => self.narrowed(&bracket, low, high),
            _ => self.opened(&bracket),
        };
        let (rate, windows) = match wanted {
            Ok(wanted) => wanted,
            // Without a second look at its ends an interval is not finished.
            Err(ending) => match self.confirmation(&bracket) {
                Some(wanted) => wanted,
                None => return Next::Done(ending),
            },
        };
        self.affordable(&bracket, rate, windows)
    }

    /// The step, or one that is needed more if there is no time for both, or the end.
    fn affordable(&self, bracket: &Bracket, rate: f64, windows: u32) -> Next {
        let left = self.left();
        let confirming = self.cost(1) * self.confirmations(bracket);
        let step = |rate, windows| Next::Step { rate, windows, approach: self.approach(rate) };
        if self.cost(windows) + confirming <= left {
            return step(rate, windows);
        }
        let shorter = (1..windows).rev().find(|w| self.cost(*w) + confirming <= left);
        match (shorter, self.confirmation(bracket)) {
            (Some(windows), _) if bracket.low.is_none() || bracket.high.is_none() => {
                step(rate, windows)
            }
            (Some(windows), None) => step(rate, windows),
            (_, Some((rate, windows))) if self.cost(windows) <= left => step(rate, windows),
            _ => Next::Done(Ending::Budget),
        }
    }

    /// Most windows of a rate while there is no bracket.
    fn windows_at_first(&self) -> u32 {
        let Bounds { budget, window, .. } = self.bounds;
        let affordable = budget.as_secs_f64() / window.as_secs_f64() / f64::from(PART_AT_FIRST);
        let [least, most] = WINDOWS_AT_FIRST;
        (affordable as u32).clamp(least, most)
    }

    /// How long a run of so many windows takes, by those so far.
    fn cost(&self, windows: u32) -> Duration {
        let beside = match self.beside {
            (_, 0) => self.bounds.around,
            (time, runs) => time / runs,
        };
        self.bounds.window * windows + beside
    }

    /// A rate with as many digits as the precision needs, within the bounds.
    fn rounded(&self, rate: f64) -> f64 {
        let digits = (2.0 - self.bounds.precision.log10()).ceil().clamp(3.0, 9.0);
        let scale = 10_f64.powf(digits - 1.0 - rate.log10().floor());
        let rounded = (rate * scale).round() / scale;
        rounded.clamp(self.bounds.min_rate, self.bounds.max_rate)
    }

    /// A step towards a bracket, while there is none.
    fn opened(&self, bracket: &Bracket) -> Result<(f64, u32), Ending> {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            let guess = self.hint.map_or(self.bounds.min_rate, |hint| hint * BELOW_HINT);
            return Ok((self.rounded(guess), 1));
        };
        if let Some(point) = self.shortest(self.windows_at_first(), |_| true) {
            return Ok((point.rate, point.windows.min(LONGEST_RUN)));
        }
        let Bounds { min_rate, max_rate, .. } = self.bounds;
        if bracket.low.is_none() && first.rate > min_rate {
            // Ever faster: a guess may be far off.
            let steps = i32::try_from(self.points.len()).unwrap_or(i32::MAX);
            return Ok((self.rounded(first.rate / UP.powi(steps)), 1));
        }
        if bracket.ceiling().is_none() && last.rate < max_rate {
            let factor = if self.hint.is_some() { UP_FROM_HINT } else { UP };
            let steps = i32::try_from(self.points.len()).unwrap_or(i32::MAX);
            return Ok((self.rounded(last.rate * factor.powi(steps).min(MOST_UP)), 1));
        }
        // The last rate that may be tried is undecided: more of it may tell.
        if let Some(point) = self.shortest(MOST_WINDOWS, |_| true) {
            return Ok((point.rate, point.windows.min(LONGEST_RUN)));
        }
        Err(match (bracket.low, bracket.ceiling()) {
            (None, Some(_)) if first.verdict() == RateVerdict::Generator => Ending::Generator,
            (None, Some(_)) if first.verdict() == RateVerdict::Failed => Ending::AtLeast,
            (Some(_), None) if last.verdict() == RateVerdict::Passed => Ending::AtMost,
            _ => Ending::Budget,
        })
    }

    /// A step that narrows the bracket.
    fn narrowed(&self, bracket: &Bracket, low: f64, high: f64) -> Result<(f64, u32), Ending> {
        let precision = self.bounds.precision;
        // Where a rate differs by its side, an end that was seen from one side is none yet.
        let differs = self.points.iter().any(|p| p.verdict() == RateVerdict::Differs);
        if differs && let Some(step) = self.confirmation(bracket) {
            return Ok(step);
        }
        let by_generator = bracket.high.is_none_or(|failed| failed > high);
        if high / low - 1.0 <= precision {
            return Err(if by_generator { Ending::Generator } else { Ending::Precise });
        }
        let inside = |point: &Point| point.rate > low && point.rate < high;
        let again = |point: &Point| {
            point.rate <= high && point.verdict() == RateVerdict::Generator && point.windows < 2
        };
        if let Some(point) = self.points.iter().find(|point| again(point)) {
            return Ok((point.rate, 1));
        }
        let unresolved: Vec<&Point> = self.points.iter().filter(|p| inside(p)).collect();
        let (Some(lowest), Some(highest)) = (unresolved.first(), unresolved.last()) else {
            return self.between(low, high).ok_or(Ending::Precise);
        };
        let gaps = [(low, lowest.rate), (highest.rate, high)];
        let width = |(from, to): (f64, f64)| (to / from).ln();
        let widest = if width(gaps[0]) >= width(gaps[1]) { gaps[0] } else { gaps[1] };
        let is_open = width(widest) > precision / 2.0;
        let is_wide = width(widest) > width((low, high)) * WIDE_GAP;
        if is_open
            && is_wide
            && let Some(step) = self.between(widest.0, widest.1)
        {
            return Ok(step);
        }
        // The outermost are the farthest from the limit, and so the first to be decided.
        let is_outermost =
            |point: &Point| std::ptr::eq(point, *lowest) || std::ptr::eq(point, *highest);
        if let Some(point) = self.shortest(MOST_WINDOWS, is_outermost) {
            return Ok((point.rate, point.windows.min(LONGEST_RUN)));
        }
        let step = self.between(widest.0, widest.1).filter(|_| is_open);
        step.ok_or(Ending::Undecided)
    }

    /// The rate in the middle, if there is one.
    fn between(&self, low: f64, high: f64) -> Option<(f64, u32)> {
        let middle = self.rounded((low * high).sqrt());
        (low < middle && middle < high).then_some((middle, 1))
    }

    /// Of the rates that more measuring may decide, the one that had the least of it.
    fn shortest(&self, below: u32, among: impl Fn(&Point) -> bool) -> Option<&Point> {
        let may_tell = |point: &&Point| match point.verdict() {
            RateVerdict::Undecided => point.windows < below && among(point),
            // The generator gets a second chance, too: the machine may have been busy.
            RateVerdict::Generator => point.windows < below.min(2) && among(point),
            _ => false,
        };
        self.points.iter().filter(may_tell).min_by_key(|point| point.windows)
    }
}
