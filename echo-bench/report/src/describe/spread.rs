//! How the response latencies of a run are spread: [`spread`], for a small histogram.

use super::Body;
use crate::report::Summary;

/// Fewer replies than that have no shape.
const LEAST: u64 = 100;

/// How values are spread. It shows what the percentiles of a table say, for the eye.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spread {
    /// What is spread.
    pub(crate) name: &'static str,
    /// Values in nanoseconds, ascending, and how often each was found.
    pub(crate) counts: Vec<(u64, u64)>,
    /// Percentiles that are marked: their names and values.
    pub(crate) marks: Vec<(&'static str, u64)>,
    /// What belongs to it.
    pub(crate) note: String,
}

/// The spread of the responses of a run; nothing where there are too few of them.
pub(super) fn spread(summary: &Summary) -> Body {
    known(summary).map_or_else(|| Body::Rows(Vec::new()), Body::Spread)
}

fn known(summary: &Summary) -> Option<Spread> {
    let response = summary.latency.response.as_ref()?;
    let latency = response.latency().filter(|latency| latency.count() >= LEAST)?;
    let recorded = latency.histogram().iter_recorded();
    let counts: Vec<(u64, u64)> =
        recorded.map(|step| (step.value_iterated_to().max(1), step.count_at_value())).collect();
    let bounds = match response.censored {
        0 => String::new(),
        bounds => format!(", {} of them lower bounds", super::units::count(bounds)),
    };
    let values = super::units::count(response.count);
    Some(Spread {
        name: "response",
        counts,
        marks: vec![("p50", response.p50_ns), ("p99", response.p99_ns)],
        note: format!("{values} values{bounds}, logarithmic scale"),
    })
}
