//! The metrics of one run as numbers: [`of_run`], for formats and trends that know nothing of
//! reports.

use crate::compare::Metric;
use crate::report::{LatencySummary, QUANTILES, Report};

/// A metric of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MetricOfRun {
    pub(crate) metric: Metric,
    /// In the unit of the metric.
    pub(crate) value: f64,
    /// Its 95 % interval within the run, where there is one.
    pub(crate) interval: Option<[f64; 2]>,
}

/// What was measured of the primary metrics. Latencies that are only lower bounds are left out,
/// since a number alone can't say that.
pub(crate) fn of_run(report: &Report) -> Vec<MetricOfRun> {
    let summary = &report.summary;
    let mut values = Vec::new();
    let mut add = |metric, value: Option<f64>, interval| {
        values.extend(value.map(|value| MetricOfRun { metric, value, interval }));
    };
    add(Metric::Throughput, summary.achieved_per_s, summary.achieved_interval);
    if let Some(response) = &summary.latency.response {
        for metric in [Metric::P50, Metric::P90, Metric::P99, Metric::P999, Metric::Max] {
            let (value, interval) = latency(response, metric);
            add(metric, value, interval);
        }
    }
    add(Metric::ClientCpu, summary.cpu.client_us_per_message, None);
    add(Metric::ServerCpu, summary.cpu.server_us_per_message, None);
    let scheduled = summary.requests.scheduled;
    let errors = summary.requests.failed() as f64 / scheduled as f64;
    add(Metric::Errors, (scheduled > 0).then_some(errors), None);
    values.retain(|value| value.value.is_finite());
    values
}

/// A latency that is no lower bound, and its interval if it has one.
fn latency(response: &LatencySummary, metric: Metric) -> (Option<f64>, Option<[f64; 2]>) {
    let name = metric.quantile_name();
    let known = QUANTILES.iter().find(|known| Some(known.name) == name);
    let ns = known.map_or(response.max_ns, |known| response.quantile_ns(known));
    let interval = known.and_then(|known| response.ci95.get(known.name));
    let value = (!response.is_lower_bound(ns)).then_some(ns as f64);
    (value, interval.map(|ends| ends.map(|ns| ns as f64)))
}
