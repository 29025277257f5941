//! Comma-separated values (RFC 4180). Of a run: a row for the whole window, one for each stage and
//! one for each interval; of a sweep one for each cell; of a comparison one for each metric of each
//! case. What was not measured is empty; times are in nanoseconds. `weak` names the
//! percentiles whose effective sample size is too small for an interval.

mod compared;
mod fields;
mod swept;

pub use compared::comparison;
pub use swept::sweep;

use crate::report::{LatencySummary, QUANTILES, Quantile, Report};

/// The header and the rows.
pub fn report(report: &Report) -> String {
    let mut header = vec!["scope".to_owned()];
    header.extend(["at_s", "length_s", "ok", "failed", "achieved_per_s"].map(str::to_owned));
    header.extend(QUANTILES.iter().map(|q| format!("{}_ns", q.name.replace('.', "_"))));
    header.extend(
        ["max_ns", "lower_bound_from_ns", "client_us_per_message", "server_us_per_message"]
            .map(str::to_owned),
    );
    let samples = |q: &Quantile| format!("{}_effective_samples", q.name.replace('.', "_"));
    header.extend(QUANTILES.iter().map(samples));
    header.push("weak".into());
    let summary = &report.summary;
    let mut rows = vec![header];
    rows.push(row(
        "window",
        [0.0, summary.measured_s],
        [summary.requests.ok, summary.requests.failed()],
        summary.achieved_per_s,
        summary.latency.response.as_ref(),
        [summary.cpu.client_us_per_message, summary.cpu.server_us_per_message],
    ));
    rows.extend(report.stages.iter().map(|stage| {
        row(
            &format!("stage {}", stage.number),
            [stage.at_s.unwrap_or(0.0), stage.length_s],
            [stage.requests.ok, stage.requests.failed()],
            stage.achieved_per_s,
            stage.latency.response.as_ref(),
            [None, None],
        )
    }));
    rows.extend(report.intervals.iter().map(|interval| {
        row(
            "interval",
            [interval.at_s, interval.length_s],
            [interval.ok, interval.errors],
            interval.achieved_per_s,
            interval.response.as_ref(),
            [interval.client_us_per_message, interval.server_us_per_message],
        )
    }));
    // All of it is numbers and names of ours.
    fields::rows(&rows)
}

fn row(
    scope: &str,
    times: [f64; 2],
    counts: [u64; 2],
    achieved: Option<f64>,
    response: Option<&LatencySummary>,
    cpu: [Option<f64>; 2],
) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut row = vec![scope.to_owned()];
    row.extend(times.map(|time| time.to_string()));
    row.extend(counts.map(|count| count.to_string()));
    row.push(number(achieved));
    let ns = |value: Option<u64>| value.map_or(String::new(), |ns| ns.to_string());
    row.extend(QUANTILES.iter().map(|q| ns(response.map(|clock| clock.quantile_ns(q)))));
    row.push(ns(response.map(|clock| clock.max_ns)));
    row.push(ns(response.and_then(|clock| clock.least_censored_ns)));
    row.extend(cpu.map(number));
    let samples =
        |q: &Quantile| ns(response.and_then(|clock| clock.independent.get(q.name).copied()));
    row.extend(QUANTILES.iter().map(samples));
    // Names do not hold spaces, so these may stand between them.
    let weak = |q: &&Quantile| response.is_some_and(|clock| clock.weakness(q).is_some());
    let weak: Vec<&str> = QUANTILES.iter().filter(weak).map(|q| q.name).collect();
    row.push(weak.join(" "));
    row
}
