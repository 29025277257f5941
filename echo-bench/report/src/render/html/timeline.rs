//! A run over time as data: [`Timeline`]. One value per interval, as the report has it.

use serde::Serialize;

use super::limits::Limits;
use crate::report::nouns::Nouns;
use crate::report::{IntervalReport, LatencySummary, QUANTILES, Quantile, Report, StageReport};
use echo_bench_engine::plan::Load;

/// Quantiles that are drawn over time.
const DRAWN: [&str; 3] = ["p50", "p90", "p99"];

/// What the charts over time draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Timeline {
    /// Length of the measured window in seconds.
    pub(super) length_s: f64,
    /// The middle of each interval, in seconds.
    pub(super) at_s: Vec<f64>,
    /// Response latency by quantile, the highest last.
    pub(super) latency: Vec<Series>,
    /// What the rate is of.
    pub(super) rate: &'static str,
    /// Successful replies per second.
    pub(super) ok_per_s: Vec<Option<f64>>,
    /// Requests per second that ended otherwise; null if there are none in the whole run.
    pub(super) failed_per_s: Option<Vec<Option<f64>>>,
    /// Requests per second that fell due; null in a closed loop, and where the rate changes.
    pub(super) offered_per_s: Option<f64>,
    /// The stages of a load whose rate changes.
    pub(super) stages: Vec<Band>,
    /// The limits of objectives on latency and on throughput.
    pub(super) limits: Limits,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Band {
    /// Its number and how it is typed.
    pub(super) name: String,
    /// From when to when it lasts, in seconds.
    pub(super) at_s: [f64; 2],
    /// What is offered at both ends, per second; null of recorded instants.
    pub(super) offered_per_s: Option<[f64; 2]>,
}

/// One quantile over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// In nanoseconds; null where nothing was measured.
    pub(super) ns: Vec<Option<u64>>,
    /// Whether the interval has too few values for the quantile; left out if none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weak: Option<Vec<bool>>,
    /// Values from here on are lower bounds, interval by interval; left out without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) least_censored_ns: Option<Vec<Option<u64>>>,
}

impl Timeline {
    /// The timeline of a run; `None` with fewer than two intervals.
    pub(super) fn new(report: &Report) -> Option<Self> {
        let intervals: Vec<_> = report.points().collect();
        if intervals.len() < 2 {
            return None;
        }
        let failed = intervals.iter().any(|interval| interval.errors > 0);
        let failed_per_s = |interval: &&IntervalReport| {
            Some(short(interval.errors as f64 / interval.length_s))
        };
        Some(Self {
            length_s: report.summary.measured_s,
            at_s: intervals.iter().map(|i| short(i.at_s + i.length_s / 2.0)).collect(),
            latency: QUANTILES
                .iter()
                .filter(|quantile| DRAWN.contains(&quantile.name))
                .map(|quantile| Series::new(quantile, &intervals))
                .filter(|series| series.ns.iter().any(Option::is_some))
                .collect(),
            rate: Nouns::of(&report.plan).rate,
            ok_per_s: intervals.iter().map(|i| i.achieved_per_s.map(short)).collect(),
            failed_per_s: failed.then(|| intervals.iter().map(failed_per_s).collect()),
            offered_per_s: report.summary.offered_per_s.filter(|_| report.stages.is_empty()),
            stages: bands(report),
            limits: Limits::of(report),
        })
    }
}

/// With no more digits than a drawing can show, of which a long run has many.
fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The stages; of merged runs, whose windows lie end to end, none.
fn bands(report: &Report) -> Vec<Band> {
    let planned = match &report.plan.load {
        Load::Staged { stages, .. } => &stages[..],
        _ => &[],
    };
    let band = |(place, stage): (usize, &StageReport)| {
        let start = stage.at_s?;
        let offered = planned.get(place).map(|stage| [stage.from_per_s, stage.to_per_s]);
        let name = format!("{} {}", stage.number, stage.name);
        Some(Band { name, at_s: [start, start + stage.length_s], offered_per_s: offered })
    };
    report.stages.iter().enumerate().filter_map(band).collect()
}

impl Series {
    fn new(quantile: &Quantile, intervals: &[&IntervalReport]) -> Self {
        let responses = || intervals.iter().map(|interval| interval.response.as_ref());
        let is_weak = |response: &LatencySummary| response.weakness(quantile).is_some();
        let weak: Vec<_> = responses().map(|response| response.is_some_and(is_weak)).collect();
        let bounds: Vec<_> = responses().map(|response| response?.least_censored_ns).collect();
        Self {
            name: quantile.name,
            ns: responses().map(|response| Some(response?.quantile_ns(quantile))).collect(),
            weak: Some(weak).filter(|weak| weak.contains(&true)),
            least_censored_ns: Some(bounds).filter(|bounds| bounds.iter().any(Option::is_some)),
        }
    }
}
