//! Writes metric families in the OpenMetrics text format: [`Families`], each with its [`Name`] and
//! unit, and one [`Value`] or one for each value of a label.

use std::collections::HashMap;
use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// Nanoseconds in a second, as a divisor.
const NANOS: f64 = 1e9;

/// No observation of a histogram is linked to a trace.
const NO_EXEMPLARS: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;

static BYTES: Unit = Unit::Bytes;
static SECONDS: Unit = Unit::Seconds;

/// The name of a family, without its unit and `_total`, which follow from what it is of.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    text: &'a str,
    unit: Option<&'static Unit>,
}

/// What is counted or measured in no unit.
impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Name { text, unit: None }
    }
}

/// A family in bytes.
pub fn bytes(text: &str) -> Name<'_> {
    Name { text, unit: Some(&BYTES) }
}

/// A family in seconds.
pub fn seconds(text: &str) -> Name<'_> {
    Name { text, unit: Some(&SECONDS) }
}

/// A value of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// An integer.
    Whole(u64),
    /// A number with a fraction.
    Fraction(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Fraction(value)
    }
}

/// What becomes of the values of a family over time.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// They only rise.
    Counter,
    /// They go up and down.
    Gauge,
}

impl Kind {
    fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
        }
    }

    fn encode(self, value: Value, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match (self, value) {
            (Self::Counter, Value::Whole(value)) => {
                encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
            }
            (Self::Counter, Value::Fraction(value)) => {
                encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
            }
            (Self::Gauge, Value::Whole(value)) => encoder.encode_gauge(&signed(value)),
            (Self::Gauge, Value::Fraction(value)) => encoder.encode_gauge(&value),
        }
    }
}

/// Times by their length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Times {
    /// Their sum in nanoseconds.
    pub sum_ns: f64,
    /// How many there are in each bucket alone, with the bucket's upper end in nanoseconds; the
    /// last has none.
    pub buckets: Vec<(Option<u64>, u64)>,
}

/// Metric families as they are written.
pub struct Families<'a>(DescriptorEncoder<'a>);

impl fmt::Debug for Families<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Families").finish()
    }
}

impl<'a> Families<'a> {
    /// Writes into `encoder`.
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A counter.
    pub fn counter<'n>(
        &mut self,
        name: impl Into<Name<'n>>,
        help: &str,
        value: impl Into<Value>,
    ) -> fmt::Result {
        self.one(Kind::Counter, name.into(), help, value.into())
    }

    /// A counter for each value of a label.
    pub fn counters<'n, L: fmt::Display, V: Into<Value>>(
        &mut self,
        name: impl Into<Name<'n>>,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.labelled(Kind::Counter, name.into(), help, label, values)
    }

    /// A gauge.
    pub fn gauge<'n>(
        &mut self,
        name: impl Into<Name<'n>>,
        help: &str,
        value: impl Into<Value>,
    ) -> fmt::Result {
        self.one(Kind::Gauge, name.into(), help, value.into())
    }

    /// A gauge for each value of a label.
    pub fn gauges<'n, L: fmt::Display, V: Into<Value>>(
        &mut self,
        name: impl Into<Name<'n>>,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.labelled(Kind::Gauge, name.into(), help, label, values)
    }

    fn one(&mut self, kind: Kind, name: Name<'_>, help: &str, value: Value) -> fmt::Result {
        let Name { text, unit } = name;
        kind.encode(value, self.0.encode_descriptor(text, help, unit, kind.metric_type())?)
    }

    fn labelled<L: fmt::Display, V: Into<Value>>(
        &mut self,
        kind: Kind,
        Name { text, unit }: Name<'_>,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(text, help, unit, kind.metric_type())?;
        for (value_of_label, value) in values {
            let labels = [(label, value_of_label.to_string())];
            kind.encode(value.into(), family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A histogram of times.
    pub fn times(&mut self, name: &str, help: &str, times: &Times) -> fmt::Result {
        let end = |bound: &Option<u64>| bound.map_or(f64::INFINITY, |ns| ns as f64 / NANOS);
        let buckets: Vec<(f64, u64)> =
            times.buckets.iter().map(|(bound, count)| (end(bound), *count)).collect();
        let (sum, unit) = (times.sum_ns / NANOS, Some(&SECONDS));
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        let count = times.buckets.iter().map(|(_, count)| count).sum();
        family.encode_histogram(sum, count, &buckets, NO_EXEMPLARS)
    }

    /// Facts that do not change, as labels.
    pub fn info(&mut self, name: &str, help: &str, facts: &impl EncodeLabelSet) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        family.encode_info(facts)
    }
}

/// No gauge comes near the limit.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
