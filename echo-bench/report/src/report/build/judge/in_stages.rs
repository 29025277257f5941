//! What is found in the stages of a load, each judged as a run of its own: [`findings`]. What
//! differs from stage to stage is meant to.

use super::{few_samples, own_share, settled};
use crate::report::build::stages::{pieces, span};
use crate::report::verdict::Finding;
use crate::report::{StageReport, Summary};
use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::Plan;

pub(super) fn findings(
    plan: &Plan,
    record: &RunRecord,
    summary: &Summary,
    stages: &[StageReport],
) -> Vec<Finding> {
    let of_stage = |stage: &StageReport| -> Vec<Finding> {
        let place = stage.number as usize - 1;
        let pieces = pieces(record, place);
        let mut found = of_summary(&stage.summary(summary));
        if stage.is_constant() {
            found.extend(few_samples(plan, pieces, &stage.summary(summary)));
            let (start, end) = span(plan, place);
            if end <= record.measured_ns {
                found.extend(settled::of_stage(plan, pieces, end - start));
            }
        }
        let within = |finding| Finding::InStage(stage.label(), Box::new(finding));
        found.into_iter().map(within).collect()
    };
    stages.iter().flat_map(of_stage).collect()
}

/// What follows from the numbers of a stage alone.
pub(super) fn of_summary(stage: &Summary) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        own_share(stage).map(Finding::Generator).into_iter().collect();
    if let (Some(offered), Some(achieved)) = (stage.offered_per_s, stage.achieved_per_s)
        && achieved < offered * 0.99
    {
        found.push(Finding::BelowOfferedRate { offered, achieved });
    }
    found
}
