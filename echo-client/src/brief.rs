//! One-line `Debug` of a histogram: [`Brief`]. The crate's own prints every bucket.

use std::fmt;

use hdrhistogram::Histogram;

/// Shows the count and a few values of a histogram of nanoseconds.
pub(crate) struct Brief<'a>(pub(crate) &'a Histogram<u64>);

impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(histogram) = self;
        f.debug_struct("Histogram")
            .field("count", &histogram.len())
            .field("min", &histogram.min())
            .field("p50", &histogram.value_at_quantile(0.5))
            .field("p99", &histogram.value_at_quantile(0.99))
            .field("max", &histogram.max())
            .finish()
    }
}
