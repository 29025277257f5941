//! Random numbers of simulations: [`Random`], reproducible from a seed.

use std::ops::RangeInclusive;

/// `SplitMix64` (Steele, Lea and Flood 2014): sufficient for delays and faults, without a
/// dependency.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    /// A number of `range`.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (least, most) = range.into_inner();
        let span = most.saturating_sub(least);
        // Drawn in any case: the rest of the sequence must not depend on the range.
        let drawn = self.draw();
        least + span.checked_add(1).map_or(drawn, |choices| drawn % choices)
    }

    /// True once in `odds` on average; never if that is 0.
    pub fn one_in(&mut self, odds: u64) -> bool {
        odds > 0 && self.below(odds) == 0
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference() {
        // The reference implementation's first outputs for the seed 1234567.
        let mut random = Random::new(1_234_567);
        let drawn: Vec<_> = std::iter::repeat_with(|| random.draw()).take(3).collect();
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn ranges_hold_their_ends_and_nothing_else() {
        let mut random = Random::new(7);
        let drawn: std::collections::BTreeSet<_> =
            std::iter::repeat_with(|| random.within(3..=5)).take(100).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((random.within(9..=9), random.below(0)), (9, 0));
        assert!(random.within(0..=u64::MAX) != random.within(0..=u64::MAX));
        assert!(!random.one_in(0) && random.one_in(1));
    }
}
