//! A sweep as a table: [`sweep`].

use super::fields::{number, rows, text};
use crate::compare::{Metric, Standing};
use crate::sweep::{MetricValue, Ranked, Sweep};

/// A row for each cell: its levels, its runs, its rank, and each metric with its 95 % interval and
/// whether it is measured, weak or a lower bound.
pub fn sweep(sweep: &Sweep) -> String {
    let axes = sweep.plan.axes.iter().map(|axis| text(&axis.name));
    let mut header: Vec<String> = axes.collect();
    header.extend(["runs", "failures", "rank"].map(str::to_owned));
    for metric in Metric::PRIMARY {
        let name = metric.to_string().replace('.', "_");
        header.extend(["", "_low", "_high", "_standing"].map(|of| format!("{name}{of}")));
    }
    let mut table = vec![header];
    for (number, cell) in sweep.cells.iter().enumerate() {
        let ranked = sweep.analysis.ranking.iter().find(|ranked| ranked.cell == number);
        let mut row: Vec<String> = cell.levels.iter().map(|level| text(level)).collect();
        row.extend([cell.runs.len(), cell.failures.len()].map(|count| count.to_string()));
        row.push(
            ranked.and_then(|ranked| ranked.rank).map_or(String::new(), |r| r.to_string()),
        );
        row.extend(Metric::PRIMARY.iter().flat_map(|metric| of_metric(ranked, *metric)));
        table.push(row);
    }
    rows(&table)
}

fn of_metric(ranked: Option<&Ranked>, metric: Metric) -> [String; 4] {
    let found = ranked.and_then(|ranked| ranked.metrics.iter().find(|m| m.metric == metric));
    let Some(MetricValue { value, standing, interval, .. }) = found else {
        return Default::default();
    };
    let [low, high] = interval.map_or([None, None], |ends| ends.map(Some));
    let standing = if value.is_some() { word(*standing) } else { "" };
    [number(*value), number(low), number(high), standing.into()]
}

/// How far a value can be trusted, in a word.
pub(super) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Measured => "measured",
        Standing::Weak => "weak",
        Standing::LowerBound => "lower bound",
    }
}
