//! A latency histogram that knows lower bounds: [`Latency`].

use std::fmt;
use std::ops::AddAssign;

use hdrhistogram::Histogram;

use echo_net::Nanos;
use echo_net::clock::SECOND;

/// The maximum recorded latency: one hour.
const HIGHEST: Nanos = 3600 * SECOND;

/// Significant decimal digits of every value.
const DIGITS: u8 = 3;

/// Latencies in nanoseconds, from 1 ns to 1 h, to three significant digits.
///
/// A request that was never answered is *censored*: all that is known is that its latency is
/// at least its age when it was given up. It is recorded with that age, so that it can't
/// vanish from the percentiles, and every quantile from the least such age on is a lower
/// bound.
#[derive(Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
    censored: u64,
    least_censored: Nanos,
    clamped: u64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST, DIGITS)
            .expect("the bounds and digits are constants that the crate accepts");
        Self { histogram, censored: 0, least_censored: Nanos::MAX, clamped: 0 }
    }
}

/// In a line: the histogram's own `Debug` prints every bucket.
impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histogram, censored, least_censored, clamped } = self;
        f.debug_struct("Latency")
            .field("count", &histogram.len())
            .field("min", &histogram.min())
            .field("p50", &histogram.value_at_quantile(0.5))
            .field("p99", &histogram.value_at_quantile(0.99))
            .field("max", &histogram.max())
            .field("censored", censored)
            .field("least_censored", least_censored)
            .field("clamped", clamped)
            .finish()
    }
}

impl Latency {
    /// Records one latency.
    #[inline]
    pub fn record(&mut self, latency: Nanos) {
        if latency > HIGHEST {
            self.clamped += 1;
        }
        self.histogram.saturating_record(latency);
    }

    /// Records the same latency so many times.
    #[inline]
    pub(crate) fn record_many(&mut self, latency: Nanos, count: u64) {
        if latency > HIGHEST {
            self.clamped += count;
        }
        self.histogram.saturating_record_n(latency, count);
    }

    /// Records a request that was given up at the age of `least`.
    pub fn record_censored(&mut self, least: Nanos) {
        self.record(least);
        self.censored += 1;
        self.least_censored = self.least_censored.min(least);
    }

    /// Values recorded, censored ones included.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Values that are lower bounds.
    pub fn censored(&self) -> u64 {
        self.censored
    }

    /// Values above one hour, recorded as one hour.
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Whether the value at `quantile` is only a lower bound.
    pub fn is_lower_bound(&self, quantile: f64) -> bool {
        self.censored > 0
            && self.histogram.value_at_quantile(quantile)
                >= self.histogram.lowest_equivalent(self.least_censored)
    }

    /// The counts themselves.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// The least age at which a request was given up.
    pub fn least_censored(&self) -> Option<Nanos> {
        (self.censored > 0).then_some(self.least_censored)
    }

    /// From stored counts; `None` if the counts can't be those of a latency histogram.
    pub fn from_parts(
        stored: &Histogram<u64>,
        censored: u64,
        least_censored: Option<Nanos>,
        clamped: u64,
    ) -> Option<Self> {
        let mut latency = Self::default();
        latency.histogram.add(stored).ok()?;
        latency.censored = censored;
        latency.clamped = clamped;
        latency.least_censored = least_censored.unwrap_or(Nanos::MAX);
        Some(latency)
    }
}

impl AddAssign<&Self> for Latency {
    fn add_assign(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same bounds and digits");
        self.censored += other.censored;
        self.least_censored = self.least_censored.min(other.least_censored);
        self.clamped += other.clamped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_lower_bound_from_the_least_censored_age_on() {
        let mut latency = Latency::default();
        for value in 1..=90 {
            latency.record(value * 1000);
        }
        for _ in 0..10 {
            latency.record_censored(5_000_000);
        }
        assert_eq!((latency.count(), latency.censored()), (100, 10));
        assert!(!latency.is_lower_bound(0.5));
        assert!(!latency.is_lower_bound(0.9));
        assert!(latency.is_lower_bound(0.95));
        let mut merged = Latency::default();
        merged += &latency;
        assert!(merged.is_lower_bound(0.95) && !merged.is_lower_bound(0.9));
    }

    #[test]
    fn what_is_over_an_hour_is_counted_as_clamped() {
        let mut latency = Latency::default();
        latency.record(2 * HIGHEST);
        assert_eq!((latency.count(), latency.clamped()), (1, 1));
    }

    #[test]
    fn latencies_are_shown_in_a_few_lines() {
        let mut latency = Latency::default();
        latency.record(5000);
        let shown = format!("{latency:?}");
        assert!(shown.len() < 300 && shown.contains("count: 1"), "{} bytes", shown.len());
    }
}
