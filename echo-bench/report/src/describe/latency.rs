//! The clocks of a run in a table: [`table`], short, and [`details`], with the rest of what is
//! known of each.

use super::table::{Cell, Column, NEEDS, Note, Table};
use super::units::{self, TimeUnit};
use super::{NOTHING, objective, or_nothing};
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
    columns.extend(QUANTILES.iter().map(|quantile| Column {
        importance: importance(quantile.name),
        ..Column::number(quantile.name)
    }));
    columns.push(Column::number("max"));
    columns.push(Column { importance: 1, ..Column::number("mean") });
    let mut table = Table::new("latency", "Latency", columns);
    let of_quantiles = QUANTILES.map(|quantile| unit_of(summary, &quantile));
    let clocks = || summary.clocks().map(|(_, latency)| latency);
    let of_max = TimeUnit::of(clocks().map(|latency| latency.max_ns as f64));
    let of_mean = TimeUnit::of(clocks().map(|latency| latency.mean_ns));
    let each = || QUANTILES.iter().zip(of_quantiles);
    for (place, (clock, latency)) in summary.clocks().enumerate() {
        let mut row = vec![Cell::from(clock.name)];
        row.extend(each().map(|(q, unit)| percentile(latency, q, unit).into()));
        row.extend([greatest(latency, of_max), mean(latency, of_mean)].map(Cell::from));
        if place == 0 {
            row[0].below = Some("95 %".into());
            for (cell, (quantile, unit)) in row[1..].iter_mut().zip(each()) {
                cell.below = Some(interval(latency, quantile, unit));
            }
        }
        table.rows.push(row);
        table.notes.extend(weakness(clock.name, latency));
        if place == 0 {
            let own = |share| own(share, of_quantiles);
            table.rows.extend(summary.generator_share.as_ref().map(own));
        }
    }
    Some(table)
}

/// How much a quantile is missed where there is no room for all.
fn importance(name: &str) -> u8 {
    match name {
        "p95" => 0,
        "p99.99" => 2,
        "p90" => 3,
        "p99.9" => 4,
        _ => Column::KEPT,
    }
}

/// The unit of a quantile's column: that of all clocks of a run.
pub(super) fn unit_of(summary: &Summary, quantile: &Quantile) -> TimeUnit {
    let clocks = summary.clocks().map(|(_, latency)| latency.quantile_ns(quantile) as f64);
    let share = summary.generator_share.as_ref();
    let own = share.and_then(|share| share.quantiles.get(quantile.name));
    TimeUnit::of(clocks.chain(own.map(|part| part.generator_ns as f64)))
}

/// The unit of a quantile's column in a table with these latencies in its rows.
pub(super) fn unit_of_rows<'a>(
    rows: impl IntoIterator<Item = &'a LatencySummary>,
    quantile: &Quantile,
) -> TimeUnit {
    TimeUnit::of(rows.into_iter().map(|latency| latency.quantile_ns(quantile) as f64))
}

/// How much of each percentile of response is the generator's own.
fn own(share: &GeneratorShare, of_quantiles: [TimeUnit; QUANTILES.len()]) -> Vec<Cell> {
    let mut row = vec![Cell::from(OWN)];
    row.extend(QUANTILES.iter().zip(of_quantiles).map(|(quantile, unit)| {
        let part = share.quantiles.get(quantile.name);
        Cell::from(or_nothing(part, |part| unit.time(part.generator_ns as f64)))
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
    let clocks = || summary.clocks().map(|(_, latency)| latency);
    let of_min = TimeUnit::of(clocks().map(|latency| latency.min_ns as f64));
    let of_deviation = TimeUnit::of(clocks().map(|latency| latency.stdev_ns));
    for (clock, latency) in summary.clocks() {
        let mut row = vec![Cell::with_below(clock.name, clock.meaning_of(nouns))];
        row.extend(QUANTILES.iter().map(|quantile| {
            Cell::from(interval(latency, quantile, unit_of(summary, quantile)))
        }));
        row.extend(
            [
                bounded(latency, latency.min_ns, of_min),
                of_deviation.time(latency.stdev_ns),
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
pub(super) fn percentile(
    latency: &LatencySummary,
    quantile: &Quantile,
    unit: TimeUnit,
) -> String {
    let weak = if latency.weakness(quantile).is_some() { "~" } else { "" };
    format!("{weak}{}", bounded(latency, latency.quantile_ns(quantile), unit))
}

/// The greatest value.
pub(super) fn greatest(latency: &LatencySummary, unit: TimeUnit) -> String {
    bounded(latency, latency.max_ns, unit)
}

pub(super) fn bounded(latency: &LatencySummary, ns: u64, unit: TimeUnit) -> String {
    let bound = if latency.is_lower_bound(ns) { ">= " } else { "" };
    format!("{bound}{}", unit.time(ns as f64))
}

fn mean(latency: &LatencySummary, unit: TimeUnit) -> String {
    let bound = if latency.censored > 0 { ">= " } else { "" };
    format!("{bound}{}", unit.time(latency.mean_ns))
}

/// The 95 % interval of a percentile, or how many independent values it needs.
pub(super) fn interval(
    latency: &LatencySummary,
    quantile: &Quantile,
    unit: TimeUnit,
) -> String {
    latency.ci95.get(quantile.name).map_or_else(
        || format!("{NEEDS} {}", units::count(order::needed(quantile.quantile))),
        |&[low, high]| unit.range(low as f64, high as f64),
    )
}

/// What `~` means: the first weak percentile of a clock, and why it is; and the next ones whose
/// effective sample size is another, for it differs along the distribution.
pub(super) fn weakness(name: &str, latency: &LatencySummary) -> Option<Note> {
    let mut weak: Vec<_> =
        QUANTILES.iter().filter_map(|q| Some((q.name, latency.weakness(q)?))).collect();
    weak.dedup_by_key(|(_, (independent, _))| *independent);
    let (first, others) = weak.split_first()?;
    let (quantile, (independent, needed)) = *first;
    let mut text = format!("{name}: {}", objective::weakness(quantile, independent, needed));
    text.extend(others.iter().map(|&(quantile, (independent, needed))| {
        format!(", {}", objective::sample_size(quantile, independent, needed))
    }));
    Some(Note { mark: "~", text })
}

/// What belongs to a percentile that is shown alone: its interval, or why it has none.
pub(super) fn beside(latency: &LatencySummary, quantile: &Quantile, unit: TimeUnit) -> String {
    match latency.weakness(quantile) {
        Some((independent, needed)) => objective::weakness(quantile.name, independent, needed),
        None => or_nothing(latency.ci95.get(quantile.name), |&[low, high]| {
            format!("95 %: {}", unit.range(low as f64, high as f64))
        }),
    }
}
