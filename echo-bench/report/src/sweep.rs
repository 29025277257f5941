//! Sweeps: one run for every combination of settings, several times over. Key type:
//! [`Sweep`], plain versioned data that holds the plan, every report and what follows from
//! them. What is to be measured is a [`SweepPlan`]; in which order, [`order`]; what it comes
//! to, [`analysis`]. Starts no run by itself.
//!
//! A cell is an ordinary run: its settings are flags of a run, and every flag that takes a
//! value can be an axis. There is no list of axes anywhere. What the flags mean is told by
//! the command line, through [`RunFlags`].
//!
//! Cells are measured in rounds of a random order each. What the machine does to a whole round is
//! no part of a difference: effects are judged by the spread of the differences within the rounds,
//! too, of each pair of cells by itself, and by the sharper of this spread and that of the runs,
//! at half the level each. A single pair needs four rounds for that, the average over several
//! pairs three: of fewer the spread within rounds has so few degrees of freedom that looking at
//! both would make intervals wider.

pub mod analysis;
mod objectives;
pub mod order;
mod plan;
mod plan_text;
pub(crate) mod ranking;
mod validity;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::{Caution, Method, Metric, MetricComparison, Standing};
use crate::report::{Conclusion, Report, SloVerdict, Tool};

pub use objectives::CellSlo;
pub use plan::{
    Axis, CellPlan, ChangedFile, Flag, Level, PlannedCell, PlannedSweep, RunFlags, SweepPlan,
    SweepPlanError,
};

/// The name and version of the sweep's shape.
pub const SCHEMA: &str = "echo-bench.sweep/1";

/// A matrix of runs, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sweep {
    /// Name and version of this shape: `echo-bench.sweep/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// What it comes to, in a sentence or two. Empty in older sweeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conclusion: Vec<Conclusion>,
    /// What was to be measured.
    pub plan: SweepPlan,
    /// Every combination of levels, the last axis changing fastest.
    pub cells: Vec<Cell>,
    /// What follows from the reports.
    pub analysis: Analysis,
}

/// A combination of levels and its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Its levels, like `model=epoll, conns=10`; empty if there is no axis.
    pub name: String,
    /// Its level of each axis, in the order of the plan's axes.
    pub levels: Vec<String>,
    /// The report of each run that was finished, in the order of the repeats.
    pub runs: Vec<Report>,
    /// Why runs gave no report.
    pub failures: Vec<String>,
}

/// What follows from the reports of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// How differences were judged. Holm's correction is over all effects.
    pub method: Method,
    /// What limits the trust in them.
    #[serde(default)]
    pub cautions: Vec<Caution>,
    /// The metric that the ranking goes by.
    pub ranked_by: Metric,
    /// The cells that were measured, best first.
    pub ranking: Vec<Ranked>,
    /// What each level does, against the first level of its axis, and where that was asked
    /// against each other level.
    pub effects: Vec<Effect>,
    /// What became of the objectives, cell by cell.
    #[serde(default)]
    pub slos: Vec<CellSlo>,
}

/// A place in the ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranked {
    /// The number of the cell, from 0.
    pub cell: usize,
    /// One more than the number of cells that were found better: cells of the same rank tie.
    /// Null where not every two cells were compared and judged, and in older sweeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Every metric of it.
    pub metrics: Vec<MetricValue>,
}

/// A metric of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricValue {
    /// The metric.
    pub metric: Metric,
    /// Its value over all runs of the cell, in the metric's unit; null if it was not measured.
    pub value: Option<f64>,
    /// How far it can be trusted.
    #[serde(default)]
    pub standing: Standing,
    /// Its 95 % interval; null if it can't be said.
    pub interval: Option<[f64; 2]>,
    /// Why there is no interval.
    pub reason: Option<String>,
}

/// What a level does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// The axis.
    pub axis: String,
    /// The earlier level.
    pub base: String,
    /// The later level, which is compared with it.
    pub level: String,
    /// Every metric, over all pairs.
    pub metrics: Vec<EffectMetric>,
    /// Each pair of cells that agree in all other axes.
    pub pairs: Vec<Pair>,
}

/// What a level does to a metric, averaged over the pairs of cells that agree in all other
/// axes: the geometric mean of their ratios (of errors, the mean of their differences). The
/// average is over the cells of this sweep and no others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectMetric {
    /// The ratio, its interval and the verdict. Values of the sides are means over the pairs.
    #[serde(flatten)]
    pub overall: MetricComparison,
    /// How many pairs could be compared.
    pub pairs: usize,
    /// The least and the greatest ratio of a pair (of errors, difference).
    pub spread: Option<[f64; 2]>,
    /// Whether the effect depends on other axes, so that the average hides how it differs.
    pub depends: bool,
    /// The axes that it depends on: the average over the pairs at some level of them is not
    /// that over the pairs at their first level. Each such question of the sweep is a
    /// contrast of its own, beyond the noise, with Holm's correction over all of them. (Of two
    /// intervals among many pairs, some fail to meet by chance alone.)
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// Two cells that differ in one axis only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// The number of the cell at the earlier level, from 0.
    pub base: usize,
    /// The number of the cell at the other level.
    pub cell: usize,
    /// What they have in common, like `conns=10`; empty if there is no other axis.
    pub name: String,
    /// Every metric. Holm's correction is over all pairs of all effects.
    pub metrics: Vec<MetricComparison>,
}

impl Sweep {
    /// Whether nothing varies: its runs are repeats of one plan.
    pub fn is_of_repeats(&self) -> bool {
        self.plan.axes.is_empty()
    }

    /// How many runs gave a report.
    pub fn finished(&self) -> usize {
        self.cells.iter().map(|cell| cell.runs.len()).sum()
    }

    /// Whether some run missed an objective.
    pub fn has_missed(&self) -> bool {
        self.analysis.slos.iter().any(|slo| slo.outcome == SloVerdict::Missed)
    }

    /// Whether some run gave none.
    pub fn has_failures(&self) -> bool {
        self.cells.iter().any(|cell| !cell.failures.is_empty())
    }
}
