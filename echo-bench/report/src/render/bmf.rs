//! Results as Bencher Metric Format: a JSON object of benchmarks, each an object of measures, each
//! with a `value` and, where there is a 95 % interval, `lower_value` and `upper_value`. Times are
//! in nanoseconds, as that of Bencher's own measure `latency` is; here that is the median.
//!
//! The format has no place for "at least": a percentile that is only a lower bound is left out,
//! and so is what was not measured. A weak percentile has no interval.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::{Metric, Standing};
use crate::report::{Report, store};
use crate::sweep::{MetricValue, Sweep};
use crate::values::{self, MetricOfRun};

/// The label of a run that names its benchmark.
const NAME: &str = "benchmark";

type Measures = BTreeMap<String, Measure>;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Measure {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

impl Measure {
    fn new(value: f64, interval: Option<[f64; 2]>) -> Option<Self> {
        // An interval without an upper end is none that could be shown.
        let interval = interval.filter(|ends| ends.iter().all(|end| end.is_finite()));
        let [lower_value, upper_value] = match interval {
            Some([low, high]) => [Some(low), Some(high)],
            None => [None, None],
        };
        value.is_finite().then_some(Self { value, lower_value, upper_value })
    }
}

/// A run: one benchmark, named by its label `benchmark`, else by what was loaded and how.
pub fn report(report: &Report) -> String {
    let name = report.labels.get(NAME).cloned();
    let name = name.unwrap_or_else(|| store::in_words(&report.plan));
    store::to_json(&BTreeMap::from([(name, of_run(report))]))
}

fn of_run(report: &Report) -> Measures {
    let measure =
        |of: MetricOfRun| Some((slug(of.metric).into(), Measure::new(of.value, of.interval)?));
    values::of_run(report).into_iter().filter_map(measure).collect()
}

/// A sweep: a benchmark for each cell that was measured, named by its levels; of repeats one,
/// named as a run is.
pub fn sweep(sweep: &Sweep) -> String {
    let mut benchmarks: BTreeMap<String, Measures> = BTreeMap::new();
    for ranked in &sweep.analysis.ranking {
        let Some(cell) = sweep.cells.get(ranked.cell) else { continue };
        let first = cell.runs.first();
        let label = first.and_then(|run| run.labels.get(NAME));
        let name = match (&*cell.name, label, first) {
            ("", Some(label), _) => label.clone(),
            ("", None, Some(run)) => store::in_words(&run.plan),
            (name, Some(label), _) => format!("{label}: {name}"),
            (name, None, _) => name.to_owned(),
        };
        let measures = ranked.metrics.iter().filter_map(of_cell).collect();
        benchmarks.insert(name, measures);
    }
    store::to_json(&benchmarks)
}

fn of_cell(metric: &MetricValue) -> Option<(String, Measure)> {
    let value = metric.value.filter(|_| metric.standing != Standing::LowerBound)?;
    let interval = metric.interval.filter(|_| metric.standing == Standing::Measured);
    Some((slug(metric.metric).to_owned(), Measure::new(value, interval)?))
}

/// What Bencher calls a measure; `latency` and `throughput` are its own.
fn slug(metric: Metric) -> &'static str {
    match metric {
        Metric::Throughput => "throughput",
        Metric::P50 => "latency",
        Metric::P90 => "latency-p90",
        Metric::P99 => "latency-p99",
        Metric::P999 => "latency-p99-9",
        Metric::Max => "latency-max",
        Metric::ClientCpu => "client-cpu-us",
        Metric::ServerCpu => "server-cpu-us",
        Metric::Errors => "error-share",
        Metric::CorrectedP50 => "corrected-latency",
        Metric::CorrectedP90 => "corrected-latency-p90",
        Metric::CorrectedP99 => "corrected-latency-p99",
        Metric::CorrectedP999 => "corrected-latency-p99-9",
        Metric::CorrectedMax => "corrected-latency-max",
        Metric::Fairness => "fairness",
        Metric::WorkerSkew => "worker-skew",
    }
}
