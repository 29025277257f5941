//! What a sweep comes to: [`of_sweep`].

use super::{Sentence, leading, levels, rate, repeats, time};
use crate::compare::{INVALID_RUNS, Metric, Verdict};
use crate::describe::comparison::{unit_of, value};
use crate::describe::sweep::nouns;
use crate::describe::units;
use crate::report::{Conclusion, SloVerdict};
use crate::sweep::{MetricValue, Sweep};

/// A sentence for each axis; of repeats of one run, one.
pub(in crate::describe) fn of_sweep(sweep: &Sweep) -> Vec<Conclusion> {
    if sweep.is_of_repeats() {
        return repeats::of_repeats(sweep);
    }
    let nouns = nouns(sweep);
    let mut found: Vec<Conclusion> = shortfalls(sweep).into_iter().collect();
    let by = sweep.analysis.ranked_by;
    let [first, second] = leading(by != Metric::Throughput);
    // The other one of those that answer.
    let metrics = if by == first { [by, second] } else { [by, first] };
    let axes = sweep.plan.axes.iter();
    let of_axes: Vec<Conclusion> =
        axes.filter_map(|axis| levels::of_axis(sweep, axis, metrics, nouns)).collect();
    if of_axes.is_empty() {
        found.extend(not_judged(sweep));
    }
    found.extend(of_axes);
    found.extend(objectives(sweep));
    found
}

/// What a reader must know before anything else.
fn shortfalls(sweep: &Sweep) -> Option<Conclusion> {
    let mut sentence = Sentence::default();
    for code in [INVALID_RUNS, "missing-runs"] {
        let caution = sweep.analysis.cautions.iter().find(|caution| caution.code == code);
        if let Some(caution) = caution {
            sentence.say(caution.message.clone());
        }
    }
    sentence.finished()
}

/// Why nothing was judged, and which cell measured the most.
fn not_judged(sweep: &Sweep) -> Option<Conclusion> {
    let mut sentence = Sentence::default();
    let by = sweep.analysis.ranked_by;
    let effects = || sweep.analysis.effects.iter().map(|e| &e.metrics[by as usize].overall);
    if effects().any(|found| found.verdict == Verdict::SingleRun) {
        sentence.say("one run a cell: not judged (raise --repeat)");
    } else {
        sentence.say("nothing to compare: no two cells that differ in one axis were measured");
    }
    if let Some(first) = sweep.analysis.ranking.first() {
        let found = &first.metrics[by as usize];
        if let Some(measured) = measured(found, nouns(sweep).rate) {
            let name = &sweep.cells[first.cell].name;
            sentence.say(format!("first in the ranking: {name}, {measured}"));
        }
    }
    sentence.finished()
}

/// A metric of a cell by itself.
pub(super) fn measured(found: &MetricValue, rate_noun: &str) -> Option<String> {
    let unit = unit_of(found.value.map(|value| (found.metric, value)));
    let shown = value(found.metric, found.value, found.standing, unit);
    Some(match (found.metric, found.value?) {
        (Metric::Throughput, per_s) => rate(per_s, found.interval, rate_noun),
        (metric, ns) if metric.quantile().is_some() && found.interval.is_some() => {
            format!("{metric} {}", time(ns, found.interval))
        }
        (metric, _) => format!("{metric} {shown}"),
    })
}

/// What became of the objectives, by how many cells.
pub(super) fn objectives(sweep: &Sweep) -> Option<Conclusion> {
    let slos = &sweep.analysis.slos;
    let mut names: Vec<&str> = Vec::new();
    for slo in slos {
        if !names.contains(&&*slo.slo) {
            names.push(&slo.slo);
        }
    }
    let mut sentence = Sentence::default();
    let what = if sweep.is_of_repeats() { "" } else { "cell" };
    for name in names {
        let count = |outcome: SloVerdict| {
            slos.iter().filter(|slo| slo.slo == name && slo.outcome == outcome).count() as u64
        };
        let outcomes = [
            (SloVerdict::Missed, "MISSED"),
            (SloVerdict::Undecided, "undecided"),
            (SloVerdict::Met, "met"),
        ];
        let parts: Vec<String> = outcomes
            .into_iter()
            .filter(|(outcome, _)| count(*outcome) > 0)
            .map(|(outcome, word)| match what {
                "" => word.to_owned(),
                what => format!("{word} in {}", units::counted(count(outcome), what)),
            })
            .collect();
        sentence.say(format!("{name} {}", parts.join(", ")));
    }
    sentence.finished()
}
