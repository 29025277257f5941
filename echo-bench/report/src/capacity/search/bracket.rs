//! Between which rates the limit lies, by what was measured: [`Bracket`].

use super::{LONGEST_RUN, Point, SETTLED, Search};
use crate::capacity::{Approach, RateVerdict};

/// The rates that bound the limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bracket {
    /// The highest rate that passed, below every rate that failed or differs.
    pub low: Option<f64>,
    /// The lowest rate that failed, above every rate that passed or differs.
    pub high: Option<f64>,
    /// The lowest rate above those that passed at which the generator was the limit.
    pub generator: Option<f64>,
}

impl Bracket {
    /// Up to where more can be learned.
    pub(super) fn ceiling(&self) -> Option<f64> {
        match (self.high, self.generator) {
            (Some(high), Some(generator)) => Some(high.min(generator)),
            (high, generator) => high.or(generator),
        }
    }
}

impl Search {
    /// What is known so far. Where a rate passed above one that failed, both lie inside until each
    /// was measured for longer: which of them was chance is not known. So does a rate that differs by the side it is approached from,
    /// and with it what passed above or failed below it.
    pub(super) fn bracket(&self) -> Bracket {
        self.bracket_of(|_, _| true)
    }

    /// The interval that the search comes to. Where a rate differs by its side, an end that was
    /// measured from one side only is none.
    pub fn interval(&self) -> Bracket {
        if self.points.iter().all(|point| point.verdict() != RateVerdict::Differs) {
            return self.bracket();
        }
        self.bracket_of(|point, side| point.sides[side as usize].is_some())
    }

    /// Of the ends that were measured from the side on which the limit lies.
    fn bracket_of(&self, is_end: impl Fn(&Point, Approach) -> bool) -> Bracket {
        let rates = |among: &'static [RateVerdict], side: Option<Approach>| {
            let is_end = &is_end;
            let found = self.points.iter().filter(move |point| {
                among.contains(&point.verdict()) && side.is_none_or(|side| is_end(point, side))
            });
            found.map(|point| point.rate)
        };
        let highest_passed =
            rates(&[RateVerdict::Passed, RateVerdict::Differs], None).next_back();
        let lowest_failed = self.points.iter().find(|point| match point.verdict() {
            RateVerdict::Differs => true,
            RateVerdict::Failed => !self.is_worse_below(point),
            _ => false,
        });
        let lowest_failed = lowest_failed.map(|point| point.rate);
        let is_above = |rate: &f64| highest_passed.is_none_or(|passed| *rate > passed);
        let low = rates(&[RateVerdict::Passed], Some(Approach::Above))
            .rfind(|rate| lowest_failed.is_none_or(|failed| *rate < failed));
        let high = rates(&[RateVerdict::Failed], Some(Approach::Below)).find(is_above);
        let generator = rates(&[RateVerdict::Generator], None).find(is_above);
        Bracket { low, high, generator }
    }

    /// The highest rate that passed.
    fn highest_passed(&self) -> Option<&Point> {
        self.points.iter().rfind(|point| point.verdict() == RateVerdict::Passed)
    }

    /// Whether a rate failed and one above it passed, both measured for long enough.
    fn is_worse_below(&self, failed: &Point) -> bool {
        let is_settled = |point: &Point| point.windows >= SETTLED;
        let passed = self.highest_passed().filter(|passed| passed.rate > failed.rate);
        is_settled(failed) && passed.is_some_and(is_settled)
    }

    /// What to measure for longer where a rate failed below one that passed: of both the one that
    /// had less of it.
    pub(super) fn contradiction(&self) -> Option<(f64, u32)> {
        let passed = self.highest_passed()?;
        let failed = self
            .points
            .iter()
            .filter(|point| point.verdict() == RateVerdict::Failed && point.rate < passed.rate);
        let mut both: Vec<&Point> = failed.collect();
        if both.is_empty() {
            return None;
        }
        both.push(passed);
        let open = both.into_iter().filter(|point| point.windows < SETTLED);
        let point = open.min_by_key(|point| point.windows)?;
        Some((point.rate, point.windows.min(LONGEST_RUN)))
    }
}
