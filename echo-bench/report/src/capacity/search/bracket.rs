//! Between which rates the limit lies, by what was measured: [`Bracket`].

use super::{Point, Search};
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
    /// What is known so far. Where a rate passed above one that failed, both lie inside: which of
    /// them was chance is not known. So does a rate that differs by the side it is approached from,
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
        let lowest_failed = rates(&[RateVerdict::Failed, RateVerdict::Differs], None).next();
        let highest_passed =
            rates(&[RateVerdict::Passed, RateVerdict::Differs], None).next_back();
        let is_above = |rate: &f64| highest_passed.is_none_or(|passed| *rate > passed);
        let low = rates(&[RateVerdict::Passed], Some(Approach::Above))
            .rfind(|rate| lowest_failed.is_none_or(|failed| *rate < failed));
        let high = rates(&[RateVerdict::Failed], Some(Approach::Below)).find(is_above);
        let generator = rates(&[RateVerdict::Generator], None).find(is_above);
        Bracket { low, high, generator }
    }
}
