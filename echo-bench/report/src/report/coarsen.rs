//! A report with fewer, longer intervals: [`coarsen`]. Counts and histograms add up without
//! loss; what is lost is how they were spread within an interval. The whole stays as it is.

use super::{IntervalReport, LatencySummary, Report};
use echo_bench_engine::record::Latency;

/// The report with at most `most` intervals, each several of those before; as it is if it has
/// no more, or holds a histogram that can't be read.
pub(crate) fn coarsen(report: &Report, most: usize) -> Report {
    let group = report.intervals.len().div_ceil(most.max(1)).max(1);
    let groups = report.intervals.chunks(group);
    let whole = report.summary.latency.response.as_ref();
    let intervals: Option<Vec<_>> = groups.map(|group| merged(group, whole)).collect();
    let intervals = intervals.unwrap_or_else(|| report.intervals.clone());
    Report { intervals, ..report.clone() }
}

/// How many of the plan's intervals each of the report's stands for: 1 unless it was
/// coarsened.
pub(crate) fn coarseness(report: &Report) -> u64 {
    let plan_s = report.plan.interval_ns as f64 / 1e9;
    let longest = report.intervals.iter().map(|i| i.length_s).fold(0.0, f64::max);
    // A plan without intervals makes this infinite, which ends at the greatest number.
    if plan_s > 0.0 { ((longest / plan_s).round() as u64).max(1) } else { 1 }
}

/// Intervals that follow each other as one; `None` if a histogram can't be read.
fn merged(parts: &[IntervalReport], whole: Option<&LatencySummary>) -> Option<IntervalReport> {
    if let [only] = parts {
        return Some(only.clone());
    }
    let length_s: f64 = parts.iter().map(|part| part.length_s).sum();
    let answered = || parts.iter().map(IntervalReport::answered);
    let all_answered: f64 = answered().sum();
    let cost = |cost: fn(&IntervalReport) -> Option<f64>| {
        let costs = parts.iter().zip(answered()).filter(|(_, answered)| *answered > 0.0);
        let total: Option<f64> =
            costs.map(|(part, answered)| Some(cost(part)? * answered)).sum();
        total.filter(|_| all_answered > 0.0).map(|total| total / all_answered)
    };
    let mut response = Latency::default();
    for part in parts.iter().filter_map(|part| part.response.as_ref()) {
        response += &part.latency()?;
    }
    Some(IntervalReport {
        at_s: parts.first()?.at_s,
        length_s,
        ok: parts.iter().map(|part| part.ok).sum(),
        answered: parts.iter().map(|part| part.answered).sum(),
        errors: parts.iter().map(|part| part.errors).sum(),
        achieved_per_s: (length_s > 0.0).then(|| all_answered / length_s),
        // As it would be if the run had had intervals of this length.
        response: LatencySummary::like(&response, whole),
        client_us_per_message: cost(|part| part.client_us_per_message),
        server_us_per_message: cost(|part| part.server_us_per_message),
    })
}
