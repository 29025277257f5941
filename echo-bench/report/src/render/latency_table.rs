//! The table of clocks and percentiles, which text and Markdown share.

use comfy_table::{CellAlignment, Table};

use super::{slo, units};
use crate::report::{LatencySummary, QUANTILES, Report};
use crate::stats::order;

/// What `~` means: the first weak percentile of each clock, and why it is.
pub(super) fn weak(report: &Report) -> Vec<String> {
    let first = |clock: &LatencySummary| {
        QUANTILES.iter().find_map(|q| Some((q.name, clock.weakness(q)?)))
    };
    let clocks = report.summary.clocks();
    clocks
        .filter_map(|(name, clock)| {
            let (quantile, (independent, needed)) = first(clock)?;
            Some(format!("{name}: {}", slo::weakness(quantile, independent, needed)))
        })
        .collect()
}

/// The table without a style; `None` if there is no latency.
pub(super) fn of(report: &Report) -> Option<Table> {
    let summary = &report.summary;
    summary.latency.response.as_ref()?;
    let mut table = Table::new();
    let mut header = vec!["latency".to_owned()];
    header.extend(QUANTILES.iter().map(|quantile| quantile.name.to_owned()));
    header.extend(["max".to_owned(), "mean".to_owned()]);
    table.set_header(header);
    for (place, (name, clock)) in summary.clocks().enumerate() {
        table.add_row(row(name, clock));
        if place == 0 {
            table.add_row(uncertainty(clock));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(table)
}

fn row(name: &str, clock: &LatencySummary) -> Vec<String> {
    let shown = |ns: u64| {
        let bound = if clock.is_lower_bound(ns) { ">= " } else { "" };
        format!("{bound}{}", units::time(ns as f64))
    };
    let mut row = vec![name.to_owned()];
    for quantile in &QUANTILES {
        let weak = if clock.weakness(quantile).is_some() { "~" } else { "" };
        row.push(format!("{weak}{}", shown(clock.quantile_ns(quantile))));
    }
    let bound = if clock.censored > 0 { ">= " } else { "" };
    row.extend([shown(clock.max_ns), format!("{bound}{}", units::time(clock.mean_ns))]);
    row
}

/// The 95 % intervals of a clock's percentiles, or how many independent values they need.
fn uncertainty(clock: &LatencySummary) -> Vec<String> {
    let mut row = vec!["  95 %".to_owned()];
    row.extend(QUANTILES.iter().map(|quantile| {
        clock.ci95.get(quantile.name).map_or_else(
            || format!("needs {}", units::count(order::needed(quantile.quantile))),
            |&[low, high]| units::time_range(low as f64, high as f64),
        )
    }));
    row.extend([String::new(), String::new()]);
    row
}
