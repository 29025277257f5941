//! What a comparison comes to at one glance: [`of_candidate`]. One case is shown by its metrics,
//! several by how their verdicts are spread.

use super::comparison::{
    self, in_words, interval, is_clean, name_of, ratio_or_difference, tone_of, unit_of_metrics,
    values,
};
use super::{Figure, Tone, units};
use crate::compare::{Candidate, Metric, MetricComparison, Verdict};
use crate::report::nouns::Nouns;

/// The metrics of one case that are shown, in order.
const SHOWN: [Metric; 6] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::Errors,
    Metric::ServerCpu,
];

/// The figures of a candidate.
pub(super) fn of_candidate(candidate: &Candidate, nouns: Nouns) -> Vec<Figure> {
    match &candidate.cases[..] {
        [case] => {
            let found = |wanted| case.metrics.iter().find(|metric| metric.metric == wanted);
            SHOWN.into_iter().filter_map(found).map(|found| figure(found, nouns)).collect()
        }
        _ => spread(candidate, nouns),
    }
}

fn figure(metric: &MetricComparison, nouns: Nouns) -> Figure {
    let change = values(metric, unit_of_metrics([metric])).join(" -> ");
    let name = name_of(metric.metric, nouns);
    let tone = comparison::tone(metric);
    if metric.verdict == Verdict::NotCompared {
        let reason = metric.reason.clone().unwrap_or_default();
        let measured = metric.base.or(metric.candidate).map(|_| change);
        let notes = measured.into_iter().chain([reason]).collect();
        return Figure { tone, ..Figure::new(name, in_words(metric), notes) };
    }
    if is_clean(metric) {
        return Figure::new(name, "none", vec!["on either side".into()]);
    }
    let value = ratio_or_difference(metric);
    let by_ratio = metric.metric.is_by_ratio() && !value.starts_with('/');
    let value = if by_ratio { format!("x {value}") } else { value };
    let notes = vec![change, format!("95 %: {}", interval(metric))];
    Figure { said: Some(in_words(metric)), tone, ..Figure::new(name, value, notes) }
}

/// How many metrics came to what, and the greatest change each way.
fn spread(candidate: &Candidate, nouns: Nouns) -> Vec<Figure> {
    let all = || {
        let cases = candidate.cases.iter();
        cases.flat_map(|case| case.metrics.iter().map(|metric| (case.name.as_str(), metric)))
    };
    let whole = all().count() as u64;
    let count = |verdict| all().filter(|(_, m)| m.verdict == verdict).count() as u64;
    let counted = |(name, verdict): (&str, Verdict)| {
        let count = count(verdict);
        let tone = match tone_of(verdict) {
            tone @ (Tone::Better | Tone::Worse) if count > 0 => tone,
            _ => Tone::Plain,
        };
        let notes = vec![format!("of {} comparisons", units::count(whole))];
        Figure { tone, ..Figure::new(name, units::count(count), notes) }
    };
    let greatest = |verdict| {
        let change = |metric: &MetricComparison| metric.ratio.map(|ratio| ratio.ln().abs());
        let called = all().filter(|(_, metric)| metric.verdict == verdict);
        let changes = called.filter_map(|(case, metric)| Some((change(metric)?, case, metric)));
        changes.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let extreme = |(name, verdict): (&str, Verdict)| match greatest(verdict) {
        None => Figure { tone: Tone::Absent, ..Figure::new(name, "none", Vec::new()) },
        Some((_, case, metric)) => {
            let own = figure(metric, nouns);
            let notes = vec![own.name, case.to_owned()];
            Figure { tone: tone_of(verdict), ..Figure::new(name, own.value, notes) }
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
