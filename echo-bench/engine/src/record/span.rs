//! From the first to the last of several instants: [`Span`].

use std::ops::AddAssign;

use echo_net::Nanos;

/// From the first to the last of several instants. Empty at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    first: Nanos,
    last: Nanos,
}

impl Default for Span {
    fn default() -> Self {
        Self { first: Nanos::MAX, last: 0 }
    }
}

impl Span {
    /// From one instant to another.
    pub fn new(first: Nanos, last: Nanos) -> Self {
        Self { first, last }
    }

    /// Takes in an instant.
    #[inline]
    pub fn widen(&mut self, at: Nanos) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    fn is_empty(&self) -> bool {
        self.first > self.last
    }

    /// The last instant.
    pub fn last(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(self.last)
    }

    /// Events per second, of so many of which the first and the last lie at the ends: the gaps
    /// between them over the time that they take. `None` where there is no gap.
    pub fn rate_per_s(&self, events: u64) -> Option<f64> {
        let length = self.last.checked_sub(self.first).filter(|&length| length > 0)?;
        (events > 1).then(|| (events - 1) as f64 / (length as f64 / 1e9))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_gaps_and_one_event_has_none() {
        let mut span = Span::default();
        assert_eq!((span.last(), span.rate_per_s(0)), (None, None));
        span.widen(5_000_000_000);
        assert_eq!((span.last(), span.rate_per_s(1)), (Some(5_000_000_000), None));
        let mut other = Span::default();
        other.widen(5_040_000_000);
        span += other;
        span += Span::default();
        assert_eq!(span.rate_per_s(5), Some(100.0));
    }
}
