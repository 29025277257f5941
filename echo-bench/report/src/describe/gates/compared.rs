//! What a comparison came to, metric by metric: [`comparison`].

use std::fmt::Write;

use super::super::comparison::numbers::{ratio, ratio_range, unit_of_metrics, value};
use super::{Gate, GateOutcome, Suite};
use crate::compare::{Case, Comparison, MetricComparison, Verdict};
use crate::describe::units::TimeUnit;

/// Whether the comparison carries an answer.
const ANSWER: &str = "comparison";

/// Of a comparison: of each candidate, every metric that was judged; first of all whether there is
/// an answer.
pub(crate) fn comparison(comparison: &Comparison) -> Vec<Suite> {
    let answer = answer(comparison);
    let suites = comparison.candidates.iter().map(|candidate| {
        let name = format!("{} against {}", candidate.side.name, comparison.base.name);
        let cases = candidate.cases.iter();
        let gates = cases.flat_map(|case| of_case(comparison, case)).collect();
        Suite { name, started_at: None, measured_s: None, gates }
    });
    let mut suites: Vec<Suite> = suites.collect();
    match suites.first_mut() {
        Some(first) => first.gates.insert(0, answer),
        None => suites.push(Suite {
            name: ANSWER.into(),
            started_at: None,
            measured_s: None,
            gates: vec![answer],
        }),
    }
    suites
}

fn answer(comparison: &Comparison) -> Gate {
    let shortfalls = comparison.shortfalls(false);
    let outcome = match (comparison.is_void(), shortfalls.is_empty()) {
        (true, _) => GateOutcome::Broken,
        (false, false) => GateOutcome::Undecided,
        (false, true) => GateOutcome::Passed,
    };
    let text = if shortfalls.is_empty() {
        comparison
            .conclusion
            .iter()
            .map(|said| said.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    } else {
        format!("the comparison is inconclusive: {}", shortfalls.join("; "))
    };
    Gate { place: ANSWER.into(), name: "conclusive".into(), outcome, text }
}

fn of_case<'a>(
    comparison: &'a Comparison,
    case: &'a Case,
) -> impl Iterator<Item = Gate> + use<'a> {
    let place = if case.name.is_empty() { ANSWER } else { &*case.name };
    let unit = unit_of_metrics(&case.metrics);
    case.metrics.iter().map(move |metric| {
        let outcome = match metric.verdict {
            Verdict::Worse if comparison.is_excused(metric) => GateOutcome::Undecided,
            Verdict::Worse => GateOutcome::Failed,
            Verdict::Better | Verdict::NoEvidence => GateOutcome::Passed,
            Verdict::SingleRun | Verdict::NotCompared => GateOutcome::Undecided,
        };
        let (place, name) = (place.to_owned(), metric.metric.to_string());
        Gate { place, name, outcome, text: in_words(metric, unit) }
    })
}

/// Like `p99 worse: 1.20 ms -> 1.50 ms, x 1.250 (95 %: 1.100..1.400)`.
fn in_words(metric: &MetricComparison, unit: TimeUnit) -> String {
    let side = |of, standing| value(metric.metric, of, standing, unit);
    let base = side(metric.base, metric.base_standing);
    let new = side(metric.candidate, metric.candidate_standing);
    let mut text = format!("{} {}: {base} -> {new}", metric.metric, metric.verdict);
    // Writing to a string can't fail, so the results are dropped here and below.
    if let Some(found) = metric.ratio {
        let _ = write!(text, ", x {}", ratio(found));
    }
    match metric.judged_interval() {
        Some([low, high]) if metric.metric.is_by_ratio() => {
            let _ = write!(text, " (95 %: {})", ratio_range(low, high));
        }
        Some([low, high]) => {
            let (low, high) = (low * 100.0, high * 100.0);
            let _ = write!(text, " (95 %: {low:+.3}..{high:+.3} percentage points)");
        }
        None => {}
    }
    if metric.own_share {
        text.push_str("; the change is the generator's own");
    }
    if let Some(reason) = &metric.reason {
        let _ = write!(text, "; {reason}");
    }
    text
}
