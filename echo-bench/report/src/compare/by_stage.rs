//! Loads in stages, compared stage by stage: [`by_stage`]. A stage with one rate is a run of its
//! own then, and a case; stages are never averaged.

use std::borrow::Cow;

use super::build::{CompareError, Input, Side};
use crate::report::Report;

/// A side with a report for every stage, and the stage that each report is of.
pub(super) struct ByStage<'a> {
    pub(super) side: Cow<'a, Side>,
    pub(super) stages: Vec<Option<String>>,
}

/// The side by stages; as it is where its loads have none, or none with one rate, so that
/// only what is of whole runs can be compared.
pub(super) fn by_stage(side: &Side) -> ByStage<'_> {
    let names = |report: &Report| report.constant_stages().next().is_some();
    if !side.inputs.iter().any(|input| names(&input.report)) {
        return ByStage { side: Cow::Borrowed(side), stages: vec![None; side.inputs.len()] };
    }
    let (mut inputs, mut stages) = (Vec::new(), Vec::new());
    for Input { source, report } in &side.inputs {
        for stage in report.constant_stages() {
            let report = report.of_stage(stage);
            inputs.push(Input { source: source.clone(), report });
            stages.push(Some(stage.label()));
        }
        if report.constant_stages().next().is_none() {
            inputs.push(Input { source: source.clone(), report: report.clone() });
            stages.push(None);
        }
    }
    let side = Cow::Owned(Side { name: side.name.clone(), inputs });
    ByStage { side, stages }
}

/// Refuses sides whose stages differ: nothing says which belong together.
pub(super) fn check(base: &Side, candidate: &Side) -> Result<(), CompareError> {
    let planned = |side: &Side| {
        let mut plans: Vec<_> =
            side.inputs.iter().map(|input| planned(&input.report)).collect();
        plans.sort();
        plans.dedup();
        plans
    };
    let (of_base, of_candidate) = (planned(base), planned(candidate));
    let staged = of_base.iter().chain(&of_candidate).any(|plan| !plan.is_empty());
    if staged && (of_base.len() > 1 || of_base != of_candidate) {
        let (base, candidate) = (base.name.clone(), candidate.name.clone());
        return Err(CompareError::Stages { base, candidate });
    }
    Ok(())
}

/// The stages of a run's plan with one rate, by name; empty without.
fn planned(report: &Report) -> Vec<String> {
    report.plan.load.constant_stages()
}
