//! What a sweep comes to at one glance: [`figures`].

use super::comparison as shown;
use super::sweep::{change, interval_of, measured, nouns, unit_of_column};
use super::{Figure, Tone, units};
use crate::compare::{Metric, Standing, Verdict};
use crate::sweep::{EffectMetric, Sweep};

/// The figures of a sweep.
pub(super) fn figures(sweep: &Sweep) -> Vec<Figure> {
    let gain = greatest(sweep, "Greatest gain", Verdict::Better, Tone::Better);
    let loss = greatest(sweep, "Greatest loss", Verdict::Worse, Tone::Worse);
    vec![
        runs(sweep),
        best(sweep, &format!("Most {}", nouns(sweep).rate), Metric::Throughput),
        best(sweep, "Lowest p99", Metric::P99),
        gain,
        loss,
        depending(sweep),
    ]
}

fn runs(sweep: &Sweep) -> Figure {
    let planned = sweep.cells.len() as u64 * u64::from(sweep.plan.repeats);
    let finished = sweep.finished() as u64;
    let notes = vec![
        format!("of {} planned", units::count(planned)),
        format!(
            "{} x {}",
            units::counted(sweep.cells.len() as u64, "cell"),
            units::counted(sweep.plan.repeats.into(), "repeat")
        ),
    ];
    let tone = if finished < planned { Tone::Bad } else { Tone::Plain };
    Figure { tone, ..Figure::new("Runs", units::count(finished), notes) }
}

/// The cell that is best by a metric.
fn best(sweep: &Sweep, name: &str, metric: Metric) -> Figure {
    let sign = if metric.more_is_better() { -1.0 } else { 1.0 };
    let ranking = sweep.analysis.ranking.iter();
    let known = ranking.filter_map(|ranked| {
        let found = &ranked.metrics[metric as usize];
        // A lower bound is no lowest value.
        if found.standing == Standing::LowerBound {
            return None;
        }
        Some((found.value? * sign, ranked.cell, found))
    });
    match known.min_by(|a, b| a.0.total_cmp(&b.0)) {
        None => absent(name, "no cell has it"),
        Some((_, cell, found)) => {
            let unit = unit_of_column(sweep, metric);
            let interval = interval_of(found, unit).map(|interval| format!("95 %: {interval}"));
            let interval = interval.or_else(|| found.reason.clone()).unwrap_or_default();
            let notes = vec![sweep.cells[cell].name.clone(), interval];
            Figure::new(name, measured(found, unit), notes)
        }
    }
}

/// The effect that changes the most for the better, or for the worse.
fn greatest(sweep: &Sweep, name: &str, verdict: Verdict, tone: Tone) -> Figure {
    let effects = sweep.analysis.effects.iter();
    let metrics = effects.flat_map(|effect| effect.metrics.iter().map(move |m| (effect, m)));
    let called = metrics.filter(|(_, metric)| metric.overall.verdict == verdict);
    let changes = called.filter_map(|(effect, metric)| {
        let ratio = metric.overall.ratio?;
        Some((ratio.ln().abs(), ratio, effect, metric))
    });
    match changes.max_by(|a, b| a.0.total_cmp(&b.0)) {
        None => absent(name, "beyond noise, of no axis"),
        Some((_, ratio, effect, metric)) => {
            let value = format!("x {}", shown::ratio(ratio)).replacen("x /", "/", 1);
            let notes = vec![
                shown::name_of(metric.overall.metric, nouns(sweep)).to_owned(),
                change(effect),
            ];
            Figure { tone, ..Figure::new(name, value, notes) }
        }
    }
}

fn depending(sweep: &Sweep) -> Figure {
    let metrics = || sweep.analysis.effects.iter().flat_map(|effect| &effect.metrics);
    let asked: Vec<&EffectMetric> =
        metrics().filter(|metric| metric.overall.verdict != Verdict::NotCompared).collect();
    let depend = asked.iter().filter(|metric| metric.depends).count();
    let note = format!("of {} effects depend on another axis", asked.len());
    Figure::new("Dependent effects", units::count(depend as u64), vec![note])
}

fn absent(name: &str, why: &str) -> Figure {
    Figure { tone: Tone::Absent, ..Figure::new(name, "none", vec![why.into()]) }
}
