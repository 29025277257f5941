//! What gates came to, for systems that show test results: [`Suite`]s of [`Gate`]s. A gate is an
//! objective, a metric that was compared, or that there was something to judge at all: what
//! could not be judged never passes for good.

mod compared;

use super::objective;
use crate::report::{Report, SloOutcome, SloVerdict, store};
use crate::sweep::{CellSlo, Sweep};

pub(crate) use compared::comparison;

/// Gates that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suite {
    /// What was judged.
    pub(crate) name: String,
    /// When it began (RFC 3339, UTC), where it is known.
    pub(crate) started_at: Option<String>,
    /// How long it was measured, where it is known.
    pub(crate) measured_s: Option<f64>,
    pub(crate) gates: Vec<Gate>,
}

/// What was judged, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gate {
    /// What it is of: a plan, a cell, a case.
    pub(crate) place: String,
    pub(crate) name: String,
    pub(crate) outcome: GateOutcome,
    /// In words, with numbers.
    pub(crate) text: String,
}

/// What a gate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum GateOutcome {
    Passed,
    /// It is known to be worse, or not met.
    Failed,
    /// Nothing could be judged.
    Broken,
    /// It was left undecided.
    Undecided,
}

/// Of a run: whether its requests were answered, and each objective.
pub(crate) fn run(report: &Report) -> Vec<Suite> {
    let place = store::in_words(&report.plan);
    let objectives = report.slos.iter().map(|slo| of_objective(&place, slo));
    let gates = std::iter::once(requests(&place, report)).chain(objectives).collect();
    vec![suite(place.clone(), &[report], gates)]
}

/// Of a sweep: of each cell, whether its runs were made and answered, and each objective.
pub(crate) fn sweep(sweep: &Sweep) -> Vec<Suite> {
    let cells = sweep.cells.iter().enumerate();
    cells
        .map(|(number, cell)| {
            let first = cell.runs.first().map(|run| store::in_words(&run.plan));
            let place = match &*cell.name {
                "" => first.unwrap_or_else(|| "runs".into()),
                name => name.to_owned(),
            };
            let runs: Vec<&Report> = cell.runs.iter().collect();
            let mut gates = vec![made(&place, &cell.failures, runs.len())];
            gates.extend(runs.iter().map(|report| requests(&place, report)).max_by_key(grave));
            let slos = sweep.analysis.slos.iter().filter(|slo| slo.cell == number);
            gates.extend(slos.map(|slo| of_cell(&place, slo)));
            suite(place, &runs, gates)
        })
        .collect()
}

fn suite(name: String, runs: &[&Report], gates: Vec<Gate>) -> Suite {
    let started_at = runs.iter().map(|report| report.started_at.clone()).min();
    let measured_s = runs.iter().map(|report| report.summary.measured_s).sum();
    Suite { name, started_at, measured_s: Some(measured_s), gates }
}

fn grave(gate: &Gate) -> u8 {
    match gate.outcome {
        GateOutcome::Passed => 0,
        GateOutcome::Undecided => 1,
        GateOutcome::Failed => 2,
        GateOutcome::Broken => 3,
    }
}

/// Whether the runs that were wanted gave reports.
fn made(place: &str, failures: &[String], runs: usize) -> Gate {
    let (outcome, text) = match failures.first() {
        None => (GateOutcome::Passed, format!("{runs} of {runs} runs gave a report")),
        Some(first) => {
            let all = runs + failures.len();
            let text = format!("{runs} of {all} runs gave a report; the first failed: {first}");
            (GateOutcome::Broken, text)
        }
    };
    Gate { place: place.into(), name: "runs".into(), outcome, text }
}

/// Whether every request got its reply.
fn requests(place: &str, report: &Report) -> Gate {
    let requests = &report.summary.requests;
    let (ok, failed) = (requests.ok, requests.failed());
    let outcome = match (ok, failed) {
        (0, _) => GateOutcome::Broken,
        (_, 0) if !report.interrupted => GateOutcome::Passed,
        (_, 0) => GateOutcome::Undecided,
        _ => GateOutcome::Failed,
    };
    let cut = if report.interrupted { "; the run was interrupted" } else { "" };
    let text =
        format!("{ok} of {} requests succeeded, {failed} failed{cut}", requests.scheduled);
    Gate { place: place.into(), name: "requests".into(), outcome, text }
}

fn outcome(verdict: SloVerdict) -> GateOutcome {
    match verdict {
        SloVerdict::Met => GateOutcome::Passed,
        SloVerdict::Missed => GateOutcome::Failed,
        SloVerdict::Undecided => GateOutcome::Undecided,
    }
}

fn of_objective(place: &str, slo: &SloOutcome) -> Gate {
    Gate {
        place: place.into(),
        name: slo.label(),
        outcome: outcome(slo.verdict()),
        text: objective::outcome(slo),
    }
}

fn of_cell(place: &str, slo: &CellSlo) -> Gate {
    let CellSlo { runs, missed, undecided, .. } = slo;
    let worst = objective::outcome(&slo.worst);
    let text =
        format!("{runs} runs, {missed} missed it, {undecided} undecided; worst: {worst}");
    Gate { place: place.into(), name: slo.slo.clone(), outcome: outcome(slo.outcome), text }
}
