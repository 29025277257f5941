//! Values of metrics and their ratios as numbers with units: [`value`], [`ratio`]. Latencies that
//! are read together share a unit: [`unit_of`].

use super::or_nothing;
use crate::compare::{Metric, MetricComparison, Standing};
use crate::describe::units::{self, TimeUnit};

/// A value with its unit and a mark if it is weak or a lower bound.
pub(crate) fn value(
    metric: Metric,
    value: Option<f64>,
    standing: Standing,
    unit: TimeUnit,
) -> String {
    let mark = match standing {
        Standing::Measured => "",
        Standing::Weak => "~",
        Standing::LowerBound => ">= ",
    };
    or_nothing(value, |value| format!("{mark}{}", in_units(metric, value, unit)))
}

/// A value in the unit of its metric; a latency in `unit`.
pub(crate) fn in_units(metric: Metric, value: f64, unit: TimeUnit) -> String {
    match metric {
        Metric::Throughput => units::rate(value),
        Metric::ClientCpu | Metric::ServerCpu => units::microseconds(value),
        Metric::Errors => format!("{:.3} %", value * 100.0),
        Metric::Fairness | Metric::WorkerSkew => format!("{value:.3}"),
        _ => unit.time(value),
    }
}

/// Whether a metric is a latency.
pub(crate) fn is_latency(metric: Metric) -> bool {
    !matches!(
        metric,
        Metric::Throughput
            | Metric::ClientCpu
            | Metric::ServerCpu
            | Metric::Errors
            | Metric::Fairness
            | Metric::WorkerSkew
    )
}

/// The unit that the latencies among these values share.
pub(crate) fn unit_of(values: impl IntoIterator<Item = (Metric, f64)>) -> TimeUnit {
    let latencies = values.into_iter().filter(|(metric, _)| is_latency(*metric));
    TimeUnit::of(latencies.map(|(_, value)| value))
}

/// The unit that the latencies of a table of these metrics share.
pub(crate) fn unit_of_metrics<'a>(
    metrics: impl IntoIterator<Item = &'a MetricComparison>,
) -> TimeUnit {
    unit_of(metrics.into_iter().flat_map(|metric| {
        let values = metric.base.into_iter().chain(metric.candidate);
        values.map(|value| (metric.metric, value))
    }))
}

/// Ends of intervals above this are shown as that: such an interval says that nothing is known.
const MOST: f64 = 10_000.0;

/// Ratios below this are shown as what the base is divided by.
const SMALL: f64 = 0.1;

/// A ratio like `1.053`, or `/ 891` for a small one.
pub(crate) fn ratio(ratio: f64) -> String {
    if ratio < SMALL && ratio > 0.0 {
        format!("/ {}", digits(1.0 / ratio))
    } else {
        digits(ratio)
    }
}

/// The same for an interval, both ends in one way if they are alike.
pub(crate) fn ratio_range(low: f64, high: f64) -> String {
    let end = |end: f64| {
        if end > MOST { format!(">{}", digits(MOST)) } else { digits(end) }
    };
    if high < SMALL && low > 0.0 {
        format!("/ {}..{}", end(1.0 / high), end(1.0 / low))
    } else if low < 0.0005 {
        // Rounded to 0 it would claim too much.
        format!("<0.001..{}", end(high))
    } else {
        format!("{}..{}", end(low), end(high))
    }
}

/// Enough digits to tell 0.1 % apart.
fn digits(ratio: f64) -> String {
    match ratio {
        r if r >= 999.5 => format!("{r:.0}"),
        r if r >= 99.95 => format!("{r:.1}"),
        r if r >= 9.995 => format!("{r:.2}"),
        r => format!("{r:.3}"),
    }
}
