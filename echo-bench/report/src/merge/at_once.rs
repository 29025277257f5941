//! What is added up otherwise of parts that ran at once than of runs in turn: intervals of one
//! window, and the cost of the one server that each of them has seen.

use std::collections::BTreeMap;

use crate::report::{Cpu, IntervalReport, LatencySummary, Report, Summary, Together};
use echo_bench_engine::record::Latency;

/// CPU of the server for each answer of all parts. Each part divides what the server used by its
/// own answers; parts on other machines do not see it.
pub(super) fn server_us_per_message(reports: &[&Report]) -> Option<f64> {
    let answered = |report: &Report| report.summary.answered_in_window as f64;
    let used = reports.iter().filter_map(|report| {
        let cost = report.summary.cpu.server_us_per_message?;
        Some(cost * answered(report))
    });
    once(used, reports.iter().map(|report| answered(report)).sum())
}

/// What the one server used, as the parts saw it, for each of so many answers.
fn once(used: impl Iterator<Item = f64>, answered: f64) -> Option<f64> {
    let used = used.reduce(f64::max)?;
    (answered > 0.0).then(|| used / answered)
}

/// The greatest of what parts saw of the server.
pub(super) fn greatest(reports: &[&Report], of: fn(&Cpu) -> Option<f64>) -> Option<f64> {
    reports.iter().filter_map(|report| of(&report.summary.cpu)).reduce(f64::max)
}

/// The intervals of all parts, those that began at the same time in the window as one. They do
/// not overlap: the last one of a part that ended early has the sliver after it, too, in which
/// another part may have begun its next one.
pub(super) fn intervals(reports: &[&Report], whole: &Summary) -> Vec<IntervalReport> {
    let mut by_time: BTreeMap<u64, Vec<&IntervalReport>> = BTreeMap::new();
    for interval in reports.iter().flat_map(|report| &report.intervals) {
        let begin_us = (interval.at_s * 1e6).round() as u64;
        by_time.entry(begin_us).or_default().push(interval);
    }
    let begins: Vec<f64> =
        by_time.values().flat_map(|parts| parts.first()).map(|i| i.at_s).collect();
    let next = begins.into_iter().skip(1).chain([f64::INFINITY]);
    let pieces = by_time.into_values().zip(next);
    pieces.filter_map(|(parts, next)| one(&parts, next, whole)).collect()
}

fn one(parts: &[&IntervalReport], next_s: f64, whole: &Summary) -> Option<IntervalReport> {
    let at_s = parts.first()?.at_s;
    let longest_s = Together::AtOnce.length(parts.iter().map(|part| part.length_s));
    let length_s = longest_s.min(next_s - at_s);
    let answered: f64 = parts.iter().map(|part| part.answered()).sum();
    let cost = |part: &IntervalReport, us: Option<f64>| Some(us? * part.answered());
    let clients = parts.iter().filter(|part| part.answered() > 0.0);
    let client: Option<f64> = clients.map(|part| cost(part, part.client_us_per_message)).sum();
    let servers = parts.iter().filter_map(|part| cost(part, part.server_us_per_message));
    let mut response = Latency::default();
    for part in parts.iter().filter_map(|part| part.response.as_ref()) {
        // The histograms of the whole could be read, and these are no more than they.
        response += &part.latency()?;
    }
    Some(IntervalReport {
        at_s,
        length_s,
        ok: parts.iter().map(|part| part.ok).fold(0, u64::saturating_add),
        answered: parts.iter().map(|part| part.answered).sum(),
        errors: parts.iter().map(|part| part.errors).fold(0, u64::saturating_add),
        achieved_per_s: (length_s > 0.0).then(|| answered / length_s),
        response: LatencySummary::like(&response, whole.latency.response.as_ref()),
        client_us_per_message: client.filter(|_| answered > 0.0).map(|us| us / answered),
        server_us_per_message: once(servers, answered),
    })
}
