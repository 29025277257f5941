//! `--repeat` of a run: [`RunArgs::repeats`], several runs of one plan as a sweep without an
//! axis.

use super::swept::{self, CommandLine, UnfitFlag};
use super::{Inputs, RunArgs, RunArgsError};
use echo_bench_report::sweep::{PlannedSweep, SweepPlan, SweepPlanError};

/// Fewest runs that show how much runs vary.
const LEAST_RUNS: u32 = 2;

/// What was typed can't be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RepeatsError {
    /// One run, or none.
    #[error("--repeat must be at least {LEAST_RUNS} (a single run needs no --repeat)")]
    TooFew,
    /// Even one run of it can't be made.
    #[error(transparent)]
    Run(#[from] RunArgsError),
    /// A flag that only one run can have.
    #[error(transparent)]
    Flag(#[from] UnfitFlag),
    /// Too many runs.
    #[error(transparent)]
    Plan(#[from] SweepPlanError),
}

impl RunArgs {
    /// How many runs were asked for, if several.
    pub fn repeat(&self) -> Option<u32> {
        self.load.repeat
    }

    /// So many runs of what was typed.
    ///
    /// # Errors
    /// Why they can't be made.
    pub fn repeats(&self, runs: u32) -> Result<PlannedSweep, RepeatsError> {
        if runs < LEAST_RUNS {
            return Err(RepeatsError::TooFew);
        }
        for flag in &self.typed.0 {
            swept::check(&flag.flag, std::slice::from_ref(&flag.value))?;
        }
        let inputs = Inputs::of(self)?;
        let seed = self.plan(&inputs)?.seed;
        let plan =
            SweepPlan { fixed: self.typed.0.clone(), axes: Vec::new(), repeats: runs, seed };
        Ok(plan.planned(&CommandLine)?)
    }
}
