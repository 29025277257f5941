//! What a comparison takes from a report: [`RunSample`], the counts of a run and of its
//! intervals, with nothing formatted and nothing judged.

use std::collections::BTreeMap;

use super::metric::Metric;
use crate::report::numbers::LARGEST_COUNT;
use crate::report::{IntervalReport, LatencySummary, Report, ServerSide, coarsen};
use crate::stats::statistic::Counts;

/// Intervals of a run that are counted one by one; of more, several that follow each other count as
/// one. That bounds the memory of a comparison, and so many say as much of the variance.
const MOST_INTERVALS: usize = 256;

/// One run, as evidence.
#[derive(Debug, Clone, Default)]
pub(super) struct RunSample {
    /// The measured window.
    pub(super) whole: Piece,
    /// The same in pieces.
    pub(super) intervals: Vec<Piece>,
    /// How far the response latencies can be trusted.
    pub(super) response: Trust,
    /// The same of those without the generator's own share.
    pub(super) corrected: Trust,
    /// The response latencies of the requests that those are of, with what they can be trusted.
    pub(super) stamped: Option<(Vec<(u64, u64)>, Trust)>,
}

/// How far the latencies of a run can be trusted.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    /// How many independent values they are worth, by quantile name.
    pub(super) independent: BTreeMap<String, u64>,
    /// The least age of a request that was never answered.
    pub(super) least_censored_ns: Option<u64>,
}

/// A stretch of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    /// Response latencies: values in rising order, with how often each occurred.
    pub(super) counts: Vec<(u64, u64)>,
    /// The same without the generator's own share; known of whole runs only.
    pub(super) corrected: Option<Vec<(u64, u64)>>,
    /// Jain's index of the replies per connection; known of whole runs only.
    pub(super) jain: Option<f64>,
    /// The messages of the busiest worker by the mean of all; known of whole runs only.
    pub(super) worker_skew: Option<f64>,
    /// Right answers that arrived in it.
    pub(super) ok: f64,
    /// Requests.
    pub(super) asked: f64,
    /// Requests without a successful reply.
    pub(super) failed: f64,
    /// Its length.
    pub(super) seconds: f64,
    /// CPU time of the generator.
    pub(super) client_cpu_us: Option<f64>,
    /// CPU time of the server.
    pub(super) server_cpu_us: Option<f64>,
}

/// Whether sums over all reports fit into their types: each report alone is valid, and there may
/// be any number of them.
pub(super) fn can_be_added<'a>(reports: impl IntoIterator<Item = &'a Report>) -> bool {
    let requests = reports.into_iter().map(|report| report.summary.requests.scheduled);
    requests.fold(0, u64::saturating_add) <= LARGEST_COUNT
}

impl RunSample {
    /// The evidence of a report; `None` if a stored histogram can't be read.
    pub(super) fn of(report: &Report) -> Option<Self> {
        let summary = &report.summary;
        let response = summary.latency.response.as_ref();
        let share = summary.generator_share.as_ref();
        let corrected = share.map(|share| &share.corrected);
        let stamped = share.map(|share| &share.response);
        let side = summary.server_side.as_ref();
        let ok = summary.answered_in_window as f64;
        let whole = Piece {
            counts: counts(response)?,
            corrected: corrected
                .map_or(Some(None), |latency| counts(Some(latency)).map(Some))?,
            jain: summary.fairness.as_ref().map(|fairness| fairness.jain),
            worker_skew: side.and_then(ServerSide::worker_skew),
            ok,
            asked: summary.requests.scheduled as f64,
            failed: (summary.requests.scheduled - summary.requests.ok) as f64,
            seconds: summary.measured_s,
            client_cpu_us: summary.cpu.client_us_per_message.map(|us| us * ok),
            server_cpu_us: summary.cpu.server_us_per_message.map(|us| us * ok),
        };
        let coarse =
            (report.intervals.len() > MOST_INTERVALS).then(|| coarsen(report, MOST_INTERVALS));
        let points = coarse.as_ref().unwrap_or(report).points();
        Some(Self {
            whole,
            intervals: points.map(piece).collect::<Option<_>>()?,
            response: Trust::of(response),
            corrected: Trust::of(corrected),
            stamped: stamped.map_or(Some(None), |latency| {
                Some(Some((counts(Some(latency))?, Trust::of(Some(latency)))))
            })?,
        })
    }

    /// The run as if only the requests with stamped replies had a latency; known of whole runs
    /// only.
    pub(super) fn of_stamped(&self) -> Self {
        let (counts, response) = self.stamped.clone().unwrap_or_default();
        let whole = Piece { counts, ..Piece::default() };
        Self { whole, response, ..Self::default() }
    }
}

fn piece(interval: &IntervalReport) -> Option<Piece> {
    // As in the whole, these are the answers of the window: replies of the drain are no part of
    // a rate, nor of its costs.
    let ok = interval.answered();
    // Without answers there is no cost per answer, and the cost is little or unknown.
    let cpu = |us: Option<f64>| us.map(|us| us * ok).or((ok <= 0.0).then_some(0.0));
    Some(Piece {
        counts: counts(interval.response.as_ref())?,
        corrected: None,
        jain: None,
        worker_skew: None,
        ok,
        asked: interval.ok as f64 + interval.errors as f64,
        failed: interval.errors as f64,
        seconds: interval.length_s,
        client_cpu_us: cpu(interval.client_us_per_message),
        server_cpu_us: cpu(interval.server_us_per_message),
    })
}

fn counts(latency: Option<&LatencySummary>) -> Option<Vec<(u64, u64)>> {
    let Some(latency) = latency else { return Some(Vec::new()) };
    let histogram = latency.histogram()?;
    let recorded = histogram.iter_recorded();
    Some(recorded.map(|value| (value.value_iterated_to(), value.count_at_value())).collect())
}

impl RunSample {
    /// How far the latencies that the metric is of can be trusted.
    pub(super) fn trust(&self, metric: Metric) -> &Trust {
        if metric.is_corrected() { &self.corrected } else { &self.response }
    }
}

impl Trust {
    fn of(latency: Option<&LatencySummary>) -> Self {
        let Some(latency) = latency else { return Self::default() };
        let (independent, least) = (latency.independent.clone(), latency.least_censored_ns);
        Self { independent, least_censored_ns: least }
    }
}

impl Piece {
    /// The latencies that the metric is of; `None` if they are unknown.
    pub(super) fn counts(&self, metric: Metric) -> Option<&Counts> {
        if metric.is_corrected() { self.corrected.as_deref() } else { Some(&self.counts) }
    }

    /// The greatest of them.
    pub(super) fn max(&self, metric: Metric) -> Option<u64> {
        self.counts(metric)?.last().map(|&(value, _)| value)
    }
}
