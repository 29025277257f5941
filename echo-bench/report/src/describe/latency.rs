//! The clocks of a run in a table: [`table`], short, and [`details`], with the rest of what is
//! known of each.

use super::table::{Cell, Column, Note, Table};
use super::{NOTHING, objective, or_nothing, units};
use crate::report::nouns::Nouns;
use crate::report::{GeneratorShare, LatencySummary, QUANTILES, Quantile, Summary};
use crate::stats::order;

/// The row of the generator's own part of the percentiles above it.
const OWN: &str = "of it own";

/// Clocks and percentiles; `None` if nothing was answered. The percentiles of response, by
/// which runs are judged, have their intervals below them.
pub(super) fn table(summary: &Summary) -> Option<Table> {
    summary.latency.response.as_ref()?;
    let mut columns = vec![Column::text("latency")];
    columns.extend(QUANTILES.iter().map(|quantile| Column::number(quantile.name)));
    columns.extend(["max", "mean"].map(Column::number));
    let mut table = Table::new("latency", "Latency", columns);
    for (place, (clock, latency)) in summary.clocks().enumerate() {
        let mut row = vec![Cell::from(clock.name)];
        row.extend(QUANTILES.iter().map(|quantile| percentile(latency, quantile).into()));
        row.extend([greatest(latency), mean(latency)].map(Cell::from));
        if place == 0 {
            row[0].below = Some("95 %".into());
            for (cell, quantile) in row[1..].iter_mut().zip(&QUANTILES) {
                cell.below = Some(interval(latency, quantile));
            }
        }
        table.rows.push(row);
        table.notes.extend(weakness(clock.name, latency));
        if place == 0 {
            table.rows.extend(summary.generator_share.as_ref().map(own));
        }
    }
    Some(table)
}

/// How much of each percentile of response is the generator's own.
fn own(share: &GeneratorShare) -> Vec<Cell> {
    let mut row = vec![Cell::from(OWN)];
    row.extend(QUANTILES.iter().map(|quantile| {
        let part = share.quantiles.get(quantile.name);
        Cell::from(or_nothing(part, |part| units::time(part.generator_ns as f64)))
    }));
    row.extend([NOTHING, NOTHING].map(Cell::from));
    row
}

/// How much of the response is the generator's own, and from what that is known.
pub(super) fn own_share(share: &GeneratorShare, nouns: Nouns) -> Option<String> {
    let part = |name: &str| {
        let part = share.quantiles.get(name)?;
        Some(format!("{:.0} % of {name}", part.share * 100.0))
    };
    let parts: Vec<_> = ["p50", "p99"].into_iter().filter_map(part).collect();
    let (count, counted) = (share.response.count, nouns.counted.of(share.response.count));
    let requests = format!("{} {counted}", units::count(count));
    (!parts.is_empty())
        .then(|| format!("{} (by receive stamps of {requests})", parts.join(", ")))
}

/// Every clock with the intervals of its percentiles, and what else is known of it.
pub(super) fn details(summary: &Summary, nouns: Nouns) -> Table {
    let mut columns = vec![Column::text("clock")];
    columns.extend(QUANTILES.iter().map(|quantile| Column::number(quantile.name)));
    columns.extend(["min", "std dev", "values", "lower bounds"].map(Column::number));
    let mut table = Table::new("clocks", "Clocks and their 95 % intervals", columns);
    for (clock, latency) in summary.clocks() {
        let mut row = vec![Cell::with_below(clock.name, clock.meaning_of(nouns))];
        row.extend(QUANTILES.iter().map(|quantile| Cell::from(interval(latency, quantile))));
        row.extend(
            [
                bounded(latency, latency.min_ns),
                units::time(latency.stdev_ns),
                units::count(latency.count),
                units::count(latency.censored),
            ]
            .map(Cell::from),
        );
        table.rows.push(row);
    }
    table
}

/// A percentile with its marks: `~` where the sample is too small for an interval, `>=` where
/// it is a lower bound.
pub(super) fn percentile(latency: &LatencySummary, quantile: &Quantile) -> String {
    let weak = if latency.weakness(quantile).is_some() { "~" } else { "" };
    format!("{weak}{}", bounded(latency, latency.quantile_ns(quantile)))
}

/// The greatest value.
pub(super) fn greatest(latency: &LatencySummary) -> String {
    bounded(latency, latency.max_ns)
}

pub(super) fn bounded(latency: &LatencySummary, ns: u64) -> String {
    let bound = if latency.is_lower_bound(ns) { ">= " } else { "" };
    format!("{bound}{}", units::time(ns as f64))
}

fn mean(latency: &LatencySummary) -> String {
    let bound = if latency.censored > 0 { ">= " } else { "" };
    format!("{bound}{}", units::time(latency.mean_ns))
}

/// The 95 % interval of a percentile, or how many independent values it needs.
fn interval(latency: &LatencySummary, quantile: &Quantile) -> String {
    latency.ci95.get(quantile.name).map_or_else(
        || format!("needs {}", units::count(order::needed(quantile.quantile))),
        |&[low, high]| units::time_range(low as f64, high as f64),
    )
}

/// What `~` means: the first weak percentile of a clock, and why it is.
fn weakness(name: &str, latency: &LatencySummary) -> Option<Note> {
    let first = QUANTILES.iter().find_map(|q| Some((q.name, latency.weakness(q)?)));
    let (quantile, (independent, needed)) = first?;
    let why = objective::weakness(quantile, independent, needed);
    Some(Note { mark: "~", text: format!("{name}: {why}") })
}

/// What belongs to a percentile that is shown alone: its interval, or why it has none.
pub(super) fn beside(latency: &LatencySummary, quantile: &Quantile) -> String {
    match latency.weakness(quantile) {
        Some((independent, needed)) => objective::weakness(quantile.name, independent, needed),
        None => or_nothing(latency.ci95.get(quantile.name), |&[low, high]| {
            format!("95 %: {}", units::time_range(low as f64, high as f64))
        }),
    }
}
