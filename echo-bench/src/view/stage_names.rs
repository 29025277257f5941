//! Which stage of a load a run is in: [`StageNames`].

use echo_bench_engine::plan::{Load, Plan};
use echo_bench_engine::schedule::Stage;

/// The stages of a load: when each ends, in nanoseconds of the window, and what it is called.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageNames(Vec<(u64, String)>);

impl StageNames {
    /// Those of a plan; none where its load does not change.
    pub(crate) fn of(plan: &Plan) -> Self {
        let Load::Staged { stages, .. } = &plan.load else { return Self::default() };
        let count = stages.len();
        let name = |(number, stage): (usize, &Stage)| format!("stage {number}/{count} {stage}");
        let names = (1..).zip(stages).map(name);
        Self(plan.load.stage_ends().into_iter().zip(names).collect())
    }

    /// The one that an instant of the window lies in.
    pub(crate) fn at(&self, at_ns: u64) -> Option<&str> {
        let stage = self.0.iter().find(|(end, _)| at_ns < *end);
        stage.map(|(_, name)| &**name)
    }
}
