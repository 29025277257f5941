//! The second look at the ends of an interval, each from the side on which the limit lies.

use super::{Bracket, Search};
use crate::capacity::{Approach, RateVerdict};

impl Search {
    /// Which end of the interval lacks a run from its other side, and what to measure for that: an
    /// end itself, where the run before was on the right side of the limit, else the other end.
    pub(super) fn confirmation(&self, bracket: &Bracket) -> Option<(f64, u32)> {
        let (low, high) = (bracket.low?, bracket.high?);
        let (low_lacks, high_lacks) = self.lacking(low, high);
        let after_failure = matches!(self.last, Some((.., RateVerdict::Failed)));
        match (low_lacks, high_lacks) {
            (false, false) => None,
            (true, _) if after_failure => Some((low, 1)),
            (_, true) if !after_failure => Some((high, 1)),
            (true, false) => Some((high, 1)),
            (_, true) => Some((low, 1)),
        }
    }

    /// Whether the lower end was never measured after a rate that failed, and the upper one never
    /// after a rate that passed.
    fn lacking(&self, low: f64, high: f64) -> (bool, bool) {
        let lacks = |rate: f64, side: Approach| {
            #[expect(clippy::float_cmp, reason = "the very same rate, which was stored")]
            let point = self.points.iter().find(|point| point.rate == rate);
            point.is_some_and(|point| point.sides[side as usize].is_none())
        };
        (lacks(low, Approach::Above), lacks(high, Approach::Below))
    }

    /// How many runs it takes until both ends were measured from both sides.
    pub(super) fn confirmations(&self, bracket: &Bracket) -> u32 {
        let Some((low, high)) = bracket.low.zip(bracket.high) else { return 0 };
        let (low, high) = self.lacking(low, high);
        u32::from(low) + u32::from(high)
    }
}
