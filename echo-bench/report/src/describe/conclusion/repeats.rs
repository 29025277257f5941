//! What repeats of one run come to: [`of_repeats`]. The intervals are run to run.

use super::limit::Limit;
use super::sweep::{measured, objectives};
use super::{Sentence, number};
use crate::compare::Metric;
use crate::describe::{sweep::nouns, units};
use crate::report::{Conclusion, Report, Verdict};
use crate::sweep::Sweep;

/// What all runs together come to.
pub(super) fn of_repeats(sweep: &Sweep) -> Vec<Conclusion> {
    let mut sentence = Sentence::default();
    let runs: Vec<&Report> = sweep.cells.iter().flat_map(|cell| &cell.runs).collect();
    let invalid = runs.iter().filter(|run| run.verdict == Verdict::Invalid).count();
    let made = runs.len();
    if invalid > 0 {
        let runs = units::counted(runs.len() as u64, "run");
        let unusable = if invalid == made { "not usable: " } else { "" };
        sentence.say(format!("{unusable}{invalid} of {runs} invalid"));
    }
    let Some(ranked) = sweep.analysis.ranking.first() else {
        sentence.say("nothing measured: no run gave a report");
        return sentence.finished().into_iter().collect();
    };
    let rate_noun = nouns(sweep).rate;
    let of = |metric: Metric| ranked.metrics.get(metric as usize);
    if let Some(throughput) = of(Metric::Throughput) {
        let shown = measured(throughput, rate_noun).unwrap_or_else(|| "no rate".into());
        let between = if throughput.interval.is_some() { " run to run" } else { "" };
        let made = units::counted(made as u64, "run");
        sentence.say(format!("{shown}{between} ({made})"));
    }
    sentence.clauses.extend(of(Metric::P99).and_then(|p99| measured(p99, rate_noun)));
    for metric in [Metric::Throughput, Metric::P99] {
        let found = of(metric).and_then(|found| Some((found.value?, found.interval)));
        sentence.numbers.extend(found.map(|(value, interval)| number(metric, value, interval)));
    }
    if invalid < runs.len() {
        sentence.say(limit(&runs));
    }
    sentence.finished().into_iter().chain(objectives(sweep)).collect()
}

/// What limits the runs, if it is the same in all of them.
fn limit(runs: &[&Report]) -> String {
    let mut limits: Vec<Limit> = runs.iter().map(|run| Limit::of(run)).collect();
    let kind = |limit: &Limit| std::mem::discriminant(limit);
    if limits.iter().any(|limit| kind(limit) != kind(&limits[0])) {
        return "what limits it differs from run to run".into();
    }
    limits.swap_remove(limits.len() / 2).to_string()
}
