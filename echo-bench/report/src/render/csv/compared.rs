//! A comparison as a table: [`comparison`].

use super::fields::{number, rows, text};
use super::swept::word;
use crate::compare::{Comparison, MetricComparison};

const HEADER: [&str; 15] = [
    "candidate",
    "case",
    "metric",
    "base",
    "base_standing",
    "new",
    "new_standing",
    "ratio",
    "difference",
    "low",
    "high",
    "p_holm",
    "verdict",
    "own_share",
    "reason",
];

/// A row for each metric of each case of each candidate. `low` and `high` are the interval that the
/// verdict goes by, of the ratio, or of the difference where that is compared (errors).
pub fn comparison(comparison: &Comparison) -> String {
    let mut table = vec![HEADER.map(str::to_owned).to_vec()];
    for candidate in &comparison.candidates {
        for case in &candidate.cases {
            for metric in case.metrics.iter().chain(&case.explanations) {
                let mut row = vec![text(&candidate.side.name), text(&case.name)];
                row.extend(of_metric(metric));
                table.push(row);
            }
        }
    }
    rows(&table)
}

fn of_metric(metric: &MetricComparison) -> [String; 13] {
    let [low, high] = metric.judged_interval().map_or([None, None], |ends| ends.map(Some));
    let standing =
        |value: Option<f64>, standing| value.map_or("", |_| word(standing)).to_owned();
    [
        metric.metric.to_string(),
        number(metric.base),
        standing(metric.base, metric.base_standing),
        number(metric.candidate),
        standing(metric.candidate, metric.candidate_standing),
        number(metric.ratio),
        number(metric.difference.map(|[difference, ..]| difference)),
        number(low),
        number(high),
        number(metric.p_holm),
        metric.verdict.to_string(),
        metric.own_share.to_string(),
        metric.reason.as_deref().map_or(String::new(), text),
    ]
}
