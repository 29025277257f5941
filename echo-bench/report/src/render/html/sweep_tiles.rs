//! What a sweep comes to at one glance: [`tiles`].

use super::numbers;
use super::sweep_matrix;
use super::tile::{Mood, Tile};
use super::words::plural;
use crate::compare::{Metric, Standing, Verdict};
use crate::render::comparison as shown;
use crate::sweep::{Effect, EffectMetric, Sweep};

/// The tiles of a sweep.
pub(super) fn tiles(sweep: &Sweep) -> Vec<Tile> {
    let gain = greatest(sweep, "Greatest gain", Verdict::Better, Mood::Better);
    let loss = greatest(sweep, "Greatest loss", Verdict::Worse, Mood::Worse);
    vec![
        runs(sweep),
        best(sweep, "Most requests/s", Metric::Throughput),
        best(sweep, "Lowest p99", Metric::P99),
        gain,
        loss,
        depending(sweep),
    ]
}

fn runs(sweep: &Sweep) -> Tile {
    let planned = sweep.cells.len() as u64 * u64::from(sweep.plan.repeats);
    let finished = sweep.finished() as u64;
    let notes = vec![
        format!("of {} planned", numbers::count(planned)),
        format!(
            "{} × {}",
            plural(sweep.cells.len() as u64, "cell"),
            plural(sweep.plan.repeats.into(), "repeat")
        ),
    ];
    let mood = if finished < planned { Mood::Bad } else { Mood::Plain };
    Tile { mood, ..Tile::new("Runs", numbers::count(finished), notes) }
}

/// The cell that is best by a metric.
fn best(sweep: &Sweep, name: &str, metric: Metric) -> Tile {
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
            let interval = match sweep_matrix::interval(found) {
                none if none.is_empty() => found.reason.clone().unwrap_or_default(),
                interval => format!("95\u{202f}%: {interval}"),
            };
            let notes = vec![sweep.cells[cell].name.clone(), interval];
            Tile::new(name, sweep_matrix::text(found), notes)
        }
    }
}

/// The effect that changes the most for the better, or for the worse.
fn greatest(sweep: &Sweep, name: &str, verdict: Verdict, mood: Mood) -> Tile {
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
            let value = format!("×\u{202f}{}", numbers::typographic(&shown::ratio(ratio)));
            let value = value.replacen("×\u{202f}/", "/", 1);
            let notes = vec![shown::name(metric.overall.metric).to_owned(), change(effect)];
            Tile { mood, ..Tile::new(name, value, notes) }
        }
    }
}

fn depending(sweep: &Sweep) -> Tile {
    let metrics = || sweep.analysis.effects.iter().flat_map(|effect| &effect.metrics);
    let asked: Vec<&EffectMetric> =
        metrics().filter(|metric| metric.overall.verdict != Verdict::NotCompared).collect();
    let depend = asked.iter().filter(|metric| metric.depends).count();
    let note = format!("of {} effects depend on another axis", asked.len());
    Tile::new("Dependent effects", numbers::count(depend as u64), vec![note])
}

/// What an effect goes from and to.
pub(super) fn change(effect: &Effect) -> String {
    format!("{}: {} → {}", effect.axis, effect.base, effect.level)
}

fn absent(name: &str, why: &str) -> Tile {
    Tile { mood: Mood::Absent, ..Tile::new(name, "none".into(), vec![why.into()]) }
}
