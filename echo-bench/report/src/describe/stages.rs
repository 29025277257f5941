//! The latencies of a run, stage by stage where it has stages: [`latencies`].

use super::table::{Cell, Column, Note, Table};
use super::units::TimeUnit;
use super::{Body, NOTHING, Row, Section, latency, or_nothing, units};
use crate::report::{LatencySummary, QUANTILES, Quantile, Report, StageKind, StageReport};

/// Percentiles that are shown of each stage.
const SHOWN: [&str; 3] = ["p50", "p99", "p99.9"];

fn shown() -> impl Iterator<Item = &'static Quantile> {
    QUANTILES.iter().filter(|quantile| SHOWN.contains(&quantile.name))
}

/// The latencies of a run: of its stages, since no percentile is of several, or of all of it;
/// `nothing` says that there are none.
pub(super) fn latencies(report: &Report, nothing: String) -> Section {
    if let Some(table) = table(report) {
        return Section::new("stages", "Stages", Body::Table(table));
    }
    let unknown = || Body::Rows(vec![Row::new("latency", nothing)]);
    let body = latency::table(&report.summary).map_or_else(unknown, Body::Table);
    Section::new("latency", "Latency", body)
}

/// A row for each stage, with the intervals of its percentiles below them; `None` of a load
/// whose rate does not change.
fn table(report: &Report) -> Option<Table> {
    if report.stages.is_empty() {
        return None;
    }
    let mut columns = vec![Column::text("stage")];
    columns.extend(["offered/s", "achieved/s", "failed"].map(Column::number));
    columns.extend(shown().map(|quantile| Column::number(quantile.name)));
    columns.push(Column::number("max"));
    if has_own_share(report) {
        columns.push(Column::number("own p99"));
    }
    let mut table = Table::new("stages", "Stages, response latency", columns);
    table.rows = report.stages.iter().map(|stage| row(report, stage)).collect();
    table.notes = notes(report);
    Some(table)
}

fn has_own_share(report: &Report) -> bool {
    report.stages.iter().any(|stage| stage.generator_share.is_some())
}

/// What decides the unit of a column: that of all stages.
fn responses(report: &Report) -> impl Iterator<Item = &LatencySummary> {
    report.stages.iter().filter_map(|stage| stage.latency.response.as_ref())
}

fn row(report: &Report, stage: &StageReport) -> Vec<Cell> {
    let response = stage.latency.response.as_ref();
    let name = format!("{} {}", stage.number, stage.name);
    let mut row = vec![
        Cell::from(name),
        or_nothing(stage.offered_per_s, units::rate).into(),
        or_nothing(stage.achieved_per_s, units::rate).into(),
        units::count(stage.requests.failed()).into(),
    ];
    if response.is_some() {
        row[0].below = Some("95 %".into());
    }
    row.extend(shown().map(|quantile| {
        let Some(response) = response else { return Cell::from(NOTHING) };
        let unit = latency::unit_of_rows(responses(report), quantile);
        Cell::with_below(
            latency::percentile(response, quantile, unit),
            latency::interval(response, quantile, unit),
        )
    }));
    let of_max = TimeUnit::of(responses(report).map(|response| response.max_ns as f64));
    row.push(or_nothing(response, |response| latency::greatest(response, of_max)).into());
    if has_own_share(report) {
        let share = stage.generator_share.as_ref();
        let part = share.and_then(|share| share.quantiles.get("p99"));
        row.push(or_nothing(part, |part| units::time(part.generator_ns as f64)).into());
    }
    row
}

fn notes(report: &Report) -> Vec<Note> {
    let mut weak = report.constant_stages().filter_map(|stage| {
        latency::weakness(&stage.label(), stage.latency.response.as_ref()?)
    });
    let mut notes: Vec<Note> = weak.next().into_iter().collect();
    let others = weak.count();
    if let (Some(first), 1..) = (notes.first_mut(), others) {
        let so = format!("; so it is in {}", units::counted(others as u64, "other stage"));
        first.text.push_str(&so);
    }
    let has = |kind| report.stages.iter().any(|stage| stage.kind == kind);
    for (kind, text) in [
        (StageKind::Ramp, "a ramp has no percentiles: no rate is theirs; see its intervals"),
        (
            StageKind::Recorded,
            "recorded instants have no percentiles: their rate changes; see the intervals",
        ),
    ] {
        if has(kind) {
            notes.push(Note { mark: "", text: text.into() });
        }
    }
    notes
}
