//! What a comparison comes to at one glance: [`tiles`]. One case is shown by its metrics,
//! several by how their verdicts are spread.

use super::comparison::{estimate, is_clean, values, words};
use super::numbers;
use super::tile::{Mood, Tile};
use crate::compare::{Candidate, Metric, MetricComparison, Verdict};
use crate::render::comparison as shown;

/// The metrics of one case that are shown, in order.
const SHOWN: [Metric; 6] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::Errors,
    Metric::ServerCpu,
];

/// What an estimate of errors ends with; a tile says it with the interval.
const POINTS: &str = "\u{202f}points";

/// The tiles of a candidate.
pub(super) fn tiles(candidate: &Candidate) -> Vec<Tile> {
    match &candidate.cases[..] {
        [case] => {
            let found = |wanted| case.metrics.iter().find(|metric| metric.metric == wanted);
            SHOWN.into_iter().filter_map(found).map(tile).collect()
        }
        _ => spread(candidate),
    }
}

fn tile(metric: &MetricComparison) -> Tile {
    let (value, interval) = estimate(metric);
    let change = values(metric).join(" → ");
    let mood = mood(metric.verdict);
    if metric.verdict == Verdict::NotCompared {
        let reason = metric.reason.clone().unwrap_or_default();
        let value = "not compared".into();
        let measured = metric.base.or(metric.candidate).map(|_| change);
        let notes = measured.into_iter().chain([reason]).collect();
        return Tile { mood, ..Tile::new(shown::name(metric.metric), value, notes) };
    }
    if is_clean(metric) {
        return Tile::new(
            shown::name(metric.metric),
            "none".into(),
            vec!["on either side".into()],
        );
    }
    let by_ratio = metric.metric.is_by_ratio();
    let value = match value.strip_suffix(POINTS) {
        Some(points) => points.to_owned(),
        None if by_ratio && !value.starts_with('/') => format!("×\u{202f}{value}"),
        None => value,
    };
    let points = if by_ratio { "" } else { " points" };
    let notes = vec![change, format!("95 %: {interval}{points}")];
    let said = Some(words(metric));
    Tile { said, mood, ..Tile::new(shown::name(metric.metric), value, notes) }
}

fn mood(verdict: Verdict) -> Mood {
    match verdict {
        Verdict::Better => Mood::Better,
        Verdict::Worse => Mood::Worse,
        Verdict::NoEvidence | Verdict::SingleRun => Mood::Plain,
        Verdict::NotCompared => Mood::Absent,
    }
}

/// How many metrics came to what, and the greatest change each way.
fn spread(candidate: &Candidate) -> Vec<Tile> {
    let all = || {
        let cases = candidate.cases.iter();
        cases.flat_map(|case| case.metrics.iter().map(|metric| (case.name.as_str(), metric)))
    };
    let whole = all().count() as u64;
    let count = |verdict| all().filter(|(_, m)| m.verdict == verdict).count() as u64;
    let counted = |(name, verdict): (&str, Verdict)| {
        let count = count(verdict);
        let mood = match mood(verdict) {
            mood @ (Mood::Better | Mood::Worse) if count > 0 => mood,
            _ => Mood::Plain,
        };
        let notes = vec![format!("of {} comparisons", numbers::count(whole))];
        Tile { mood, ..Tile::new(name, numbers::count(count), notes) }
    };
    let greatest = |verdict| {
        let change = |metric: &MetricComparison| metric.ratio.map(|ratio| ratio.ln().abs());
        let called = all().filter(|(_, metric)| metric.verdict == verdict);
        let changes = called.filter_map(|(case, metric)| Some((change(metric)?, case, metric)));
        changes.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let extreme = |(name, verdict): (&str, Verdict)| match greatest(verdict) {
        None => Tile { mood: Mood::Absent, ..Tile::new(name, "none".into(), Vec::new()) },
        Some((_, case, metric)) => {
            let own = tile(metric);
            let notes = vec![own.name, case.to_owned()];
            Tile { mood: mood(verdict), ..Tile::new(name, own.value, notes) }
        }
    };
    let counts = [
        ("Better", Verdict::Better),
        ("Worse", Verdict::Worse),
        ("No evidence", Verdict::NoEvidence),
        ("Not judged", Verdict::SingleRun),
        ("Not compared", Verdict::NotCompared),
    ];
    let extremes = [("Greatest gain", Verdict::Better), ("Greatest loss", Verdict::Worse)];
    counts.into_iter().map(counted).chain(extremes.into_iter().map(extreme)).collect()
}
