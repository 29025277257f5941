//! Writes metric families in the OpenMetrics text format: [`Families`].

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

/// What is written before the values of a family.
#[derive(Clone, Copy)]
struct Header<'a> {
    name: &'a str,
    help: &'a str,
    unit: Option<&'a Unit>,
}

/// A value of a family.
#[derive(Clone, Copy)]
enum Value {
    /// A count.
    Counter(u64),
    /// A sum.
    Sum(f64),
    /// An integer that goes up and down.
    Gauge(u64),
    /// The same with a fraction.
    Level(f64),
}

impl Value {
    fn metric_type(self) -> MetricType {
        match self {
            Self::Counter(_) | Self::Sum(_) => MetricType::Counter,
            Self::Gauge(_) | Self::Level(_) => MetricType::Gauge,
        }
    }

    fn encode(self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            Self::Sum(value) => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            Self::Gauge(value) => encoder.encode_gauge(&signed(value)),
            Self::Level(value) => encoder.encode_gauge(&value),
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

/// Metric families as they are written. Names are without unit and `_total`, which follow from the type.
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
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(Header { name, help, unit: None }, Value::Counter(value))
    }

    /// A counter of bytes.
    pub fn bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let unit = Some(&Unit::Bytes);
        self.one(Header { name, help, unit }, Value::Counter(value))
    }

    /// A counter of seconds.
    pub fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        self.one(Header { name, help, unit }, Value::Sum(value))
    }

    /// A counter for each value of a label.
    pub fn counters<L: fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(of, value)| (of, Value::Counter(value)));
        self.labelled(Header { name, help, unit: None }, MetricType::Counter, label, values)
    }

    /// A gauge.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(Header { name, help, unit: None }, Value::Gauge(value))
    }

    /// A gauge for each value of a label.
    pub fn gauges<L: fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(of, value)| (of, Value::Gauge(value)));
        self.labelled(Header { name, help, unit: None }, MetricType::Gauge, label, values)
    }

    /// A gauge with a fraction.
    pub fn level(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(Header { name, help, unit: None }, Value::Level(value))
    }

    /// The same for each value of a label.
    pub fn levels<L: fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(of, value)| (of, Value::Level(value)));
        self.labelled(Header { name, help, unit: None }, MetricType::Gauge, label, values)
    }

    /// A gauge in seconds for each value of a label.
    pub fn levels_in_seconds<L: fmt::Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(of, value)| (of, Value::Level(value)));
        let unit = Some(&Unit::Seconds);
        self.labelled(Header { name, help, unit }, MetricType::Gauge, label, values)
    }

    /// A gauge in bytes.
    pub fn gauge_bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let unit = Some(&Unit::Bytes);
        self.one(Header { name, help, unit }, Value::Gauge(value))
    }

    /// A gauge in seconds.
    pub fn gauge_seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        self.one(Header { name, help, unit }, Value::Level(value))
    }

    /// A family of one value without labels.
    fn one(&mut self, header: Header<'_>, value: Value) -> fmt::Result {
        let Header { name, help, unit } = header;
        value.encode(self.0.encode_descriptor(name, help, unit, value.metric_type())?)
    }

    /// A family with a value for each value of a label.
    fn labelled<L: fmt::Display>(
        &mut self,
        Header { name, help, unit }: Header<'_>,
        metric_type: MetricType,
        label: &str,
        values: impl Iterator<Item = (L, Value)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, metric_type)?;
        for (value_of_label, value) in values {
            let labels = [(label, value_of_label.to_string())];
            value.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A histogram of times.
    pub fn times(&mut self, name: &str, help: &str, times: &Times) -> fmt::Result {
        let seconds = |bound: &Option<u64>| bound.map_or(f64::INFINITY, |ns| ns as f64 / NANOS);
        let buckets: Vec<(f64, u64)> =
            times.buckets.iter().map(|(bound, count)| (seconds(bound), *count)).collect();
        let (sum, unit) = (times.sum_ns / NANOS, Some(&Unit::Seconds));
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
