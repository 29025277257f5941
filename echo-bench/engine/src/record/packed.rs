//! A latency histogram at rest: [`Packed`]. A histogram in use takes a quarter of a
//! mebibyte, most of it zeros; a long run keeps thousands of them.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use echo_net::Nanos;

use super::Latency;

/// The same as the [`Latency`] it was made of, without loss, in some kilobytes.
#[derive(Debug, Clone)]
pub struct Packed {
    counts: Vec<u8>,
    censored: u64,
    least_censored: Option<Nanos>,
    clamped: u64,
}

impl Packed {
    /// Packs `latency`.
    ///
    /// # Panics
    /// Never: the counts of a run are below the format's limit.
    pub fn new(latency: &Latency) -> Self {
        let mut counts = Vec::new();
        V2Serializer::new()
            .serialize(latency.histogram(), &mut counts)
            .expect("writing to memory can't fail and the counts are below the format's limit");
        counts.shrink_to_fit();
        Self {
            counts,
            censored: latency.censored(),
            least_censored: latency.least_censored(),
            clamped: latency.clamped(),
        }
    }

    /// The counts alone.
    ///
    /// # Panics
    /// Never: only [`new`](Self::new) makes the bytes.
    pub fn histogram(&self) -> Histogram<u64> {
        Deserializer::new()
            .deserialize(&mut self.counts.as_slice())
            .expect("the bytes were packed by this type")
    }

    /// Unpacks it.
    ///
    /// # Panics
    /// Never: the bounds are always the same.
    pub fn unpack(&self) -> Latency {
        Latency::from_parts(&self.histogram(), self.censored, self.least_censored, self.clamped)
            .expect("the bounds are those of every latency histogram")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_small_and_loses_nothing() {
        let mut latency = Latency::default();
        for value in 1..10_000 {
            latency.record(value * 997);
        }
        latency.record_censored(123_456);
        let packed = Packed::new(&latency);
        assert!(packed.counts.len() < 20_000, "{}", packed.counts.len());
        let again = packed.unpack();
        assert_eq!(again.histogram(), latency.histogram());
        assert_eq!(again.least_censored(), Some(123_456));
    }
}
