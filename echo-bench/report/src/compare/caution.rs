//! What limits the trust in a comparison, from its reports: [`cautions`] of two sides, and
//! [`of_runs`] of any runs.

use super::{Case, Caution, Evidence, gate};
use crate::report::{GENERATOR_LIMITED, Report, SurroundingsReport, Verdict};

/// What is said wherever runs were not repeated.
pub(crate) const SINGLE_RUN: &str = "single run: run-to-run variance unknown";

/// What limits the trust in two sides and their cases.
pub(super) fn cautions(
    base: &[&Report],
    candidate: &[&Report],
    cases: &[Case],
) -> Vec<Caution> {
    let mut cautions = Vec::new();
    let mut add = |code: &str, message: String| {
        cautions.push(Caution { code: code.into(), message });
    };
    let seen = |evidence| cases.iter().any(|case| case.evidence == evidence);
    if seen(Evidence::Intervals) {
        add(
            gate::SINGLE_RUNS,
            format!(
                "{SINGLE_RUN}, and may be the whole difference; repeat both sides, interleaved"
            ),
        );
    }
    if seen(Evidence::RunsOfOneSide) {
        add(
            "run-to-run-borrowed",
            "one side has a single run: its run-to-run variance is unknown and taken from the \
             runs of the other side"
                .into(),
        );
    }
    if let Some(first) = one_after_the_other(base, candidate) {
        add(
            "not-interleaved",
            format!(
                "every run of the {first} came first, so a drift of the machine counts as a \
                 difference; measure in turns"
            ),
        );
    }
    cautions.extend(placement(base, candidate));
    cautions.extend(gate::obstacles(base, candidate, cases));
    cautions.extend(of_runs("the base", base));
    cautions.extend(of_runs("the candidate", candidate));
    cautions
}

/// What limits the trust in the runs of `whom` by their own reports.
pub(crate) fn of_runs(whom: &str, reports: &[&Report]) -> Vec<Caution> {
    let of = reports.len();
    let count =
        |like: &dyn Fn(&Report) -> bool| reports.iter().filter(|report| like(report)).count();
    let limited = |report: &Report| report.warnings.iter().any(|w| w.code == GENERATOR_LIMITED);
    let invalid = count(&|report| report.verdict == Verdict::Invalid);
    let interrupted = count(&|report| report.interrupted);
    let generators = count(&limited);
    let found = [
        (
            invalid,
            gate::INVALID_RUNS,
            format!("{invalid} of {of} runs of {whom} are invalid by their own report"),
        ),
        (
            interrupted,
            "interrupted-runs",
            format!("{interrupted} runs of {whom} were interrupted"),
        ),
        (
            generators,
            GENERATOR_LIMITED,
            format!(
                "generator saturated in {generators} runs of {whom}: the difference is \
                 unreliable"
            ),
        ),
    ];
    let seen = found.into_iter().filter(|(count, ..)| *count > 0);
    seen.map(|(_, code, message)| Caution { code: code.into(), message }).collect()
}

/// Where generator and server were on the same CPUs in runs of one side and in none of the
/// other. What was asked for is among the differences of the plans; this is what was seen.
fn placement(base: &[&Report], candidate: &[&Report]) -> Option<Caution> {
    let shared = |side: &[&Report]| -> (usize, usize) {
        let seen = side.iter().filter_map(|report| {
            report.summary.surroundings.as_ref().and_then(SurroundingsReport::shares_cpus)
        });
        seen.fold((0, 0), |(shared, seen), shares| (shared + usize::from(shares), seen + 1))
    };
    let (of_base, of_candidate) = (shared(base), shared(candidate));
    let (whom, (runs, of), other) = match (of_base, of_candidate) {
        ((1.., _), (0, 1..)) => ("base", of_base, "candidate"),
        ((0, 1..), (1.., _)) => ("candidate", of_candidate, "base"),
        _ => return None,
    };
    let message = format!(
        "generator and server ran on the same CPUs in {runs} of {of} runs of the {whom} and in none \
         of the {other}; pin both sides alike (--pin)"
    );
    Some(Caution { code: "placement-differs".into(), message })
}

/// Which side was measured wholly before the other, if either was.
fn one_after_the_other(base: &[&Report], candidate: &[&Report]) -> Option<&'static str> {
    let span = |side: &[&Report]| {
        let starts = side.iter().map(|report| report.started_at.clone());
        (starts.clone().min().unwrap_or_default(), starts.max().unwrap_or_default())
    };
    let (base_span, candidate_span) = (span(base), span(candidate));
    if base.len() < 2 || candidate.len() < 2 {
        return None;
    }
    if base_span.1 < candidate_span.0 {
        return Some("base");
    }
    (candidate_span.1 < base_span.0).then_some("candidate")
}
