//! Comparisons of stored reports: [`Comparison`], plain versioned data that says for each
//! metric by what ratio two sides differ, how sure that is, and whether it is *better*,
//! *worse* or no evidence of a difference. Formats nothing; refuses to mix load models.
//!
//! # Method
//! The unit of evidence is the run. The percentile of a side is that of all its runs merged;
//! its variance is the bootstrap's over whole runs ([`stats::bootstrap`](crate::stats)),
//! corrected by n/(n-1), and the interval of the logarithm of the ratio is Student's with
//! the degrees of freedom of Welch and Satterthwaite. With one run a side only its
//! intervals are drawn again, with their variance raised for autocorrelation; what differs
//! from run to run is then not seen, so there is an interval and no verdict. With one run against
//! several, the spread of the several is taken for both. Where the sides were measured in turns,
//! four times or more, the differences within the rounds are looked at too: a machine that
//! drifts or has slow hours then does not count as noise. A difference is called only where
//! its interval, at the level of Holm's correction over all metrics, cases and candidates of
//! the comparison, lies beyond the noise threshold. What can't be judged is not called, but
//! its values are kept; whether a gate may pass is said by [`Comparison::shortfalls`].
//!
//! Latencies without the generator's own share, and fairness, explain the metrics that are
//! judged. They have a correction of their own, so that they take no power from those, and
//! count only where they are asked for ([`Options::asked_for`]).

mod build;
mod by_stage;
pub(crate) mod cases;
pub(crate) mod caution;
pub(crate) mod cell;
mod differences;
mod gate;
mod judge;
mod measure;
mod metric;
mod own_share;
mod rounds;
mod sample;
pub mod self_check;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
mod validity;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Conclusion, LatencySummary, Tool, Workload};
use crate::stats::contrast::Contrast;

pub use build::{CompareError, Input, Options, Side, compare};
pub use differences::{Difference, Kind};
pub(crate) use differences::{conditions_that_differ, plans_that_differ, settings_that_differ};
pub(crate) use gate::{INVALID_RUNS, NOTHING_MEASURED};
pub use metric::Metric;
pub(crate) use validity::interval;

/// The name and version of the comparison's shape.
pub const SCHEMA: &str = "echo-bench.comparison/1";

/// A base and what is compared with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name and version of this shape: `echo-bench.comparison/1`.
    pub schema: String,
    /// What made the comparison.
    pub tool: Tool,
    /// What it comes to, in a sentence or two. Empty in older comparisons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conclusion: Vec<Conclusion>,
    /// The workload that all runs have in common; null if they have none, and in older
    /// comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// Whether requests fell due on a schedule (open loop); null if not in all runs alike, and
    /// in older comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<bool>,
    /// How it was made.
    pub method: Method,
    /// What the others are compared with.
    pub base: SideReport,
    /// Each compared with the base.
    pub candidates: Vec<Candidate>,
}

/// How a comparison was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Method {
    /// Confidence of the intervals.
    pub confidence: f64,
    /// Noise threshold: smaller relative differences are ignored even if significant.
    pub threshold: f64,
    /// Bootstrap resamples.
    pub resamples: u32,
    /// Their seed.
    pub seed: u64,
    /// How many questions Holm's correction allows for.
    pub questions: usize,
    /// Whether sides of different load models were compared by force.
    pub forced: bool,
    /// Metrics that the user named: they are judged though they explain others, and count
    /// though their change is the generator's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_for: Vec<Metric>,
}

/// A side: its name and its reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SideReport {
    /// What the user called it: a file, a directory or a baseline.
    pub name: String,
    /// Where its reports were read from.
    pub reports: Vec<String>,
}

/// A side compared with the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The side.
    pub side: SideReport,
    /// How plans, environments and tools differ.
    pub differences: Vec<Difference>,
    /// What limits the trust in the comparison.
    pub cautions: Vec<Caution>,
    /// The cases that both sides have.
    pub cases: Vec<Case>,
    /// Cases that the candidate lacks.
    pub only_in_base: Vec<String>,
    /// Cases that the base lacks.
    pub only_in_candidate: Vec<String>,
}

/// What limits the trust in a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caution {
    /// Its name, stable.
    pub code: String,
    /// What it means, and what helps.
    pub message: String,
}

/// One plan, measured on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// The settings that tell it from the other cases; empty if it is the only one.
    pub name: String,
    /// What varied in the evidence.
    pub evidence: Evidence,
    /// How many rounds of one run a side there were, if the runs were made in turns and there
    /// were four or more. Differences are then taken within the rounds, too.
    #[serde(default)]
    pub rounds: Option<usize>,
    /// The base's part.
    pub base: CaseSide,
    /// The candidate's part.
    pub candidate: CaseSide,
    /// Every metric that is judged.
    pub metrics: Vec<MetricComparison>,
    /// Metrics that explain those: latencies without the generator's own share, and fairness.
    /// Holm's correction is over all of them, apart from those that are judged. Empty where a
    /// side has none of them, as in older comparisons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanations: Vec<MetricComparison>,
    /// Kept until it is known which changes are the generator's own: the response latencies of
    /// the requests that the corrected ones are of.
    #[serde(skip)]
    stamped: Vec<MetricComparison>,
}

/// A side's part in a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseSide {
    /// How many runs.
    pub runs: usize,
    /// The response latency of all of them merged.
    pub response: Option<LatencySummary>,
}

/// What varied in the evidence of a case.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Evidence {
    /// Runs, on both sides.
    Runs,
    /// Runs on one side; the other has one run, and is taken to vary as much.
    RunsOfOneSide,
    /// The intervals of one run a side. What differs from run to run was not seen.
    Intervals,
}

/// One metric of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricComparison {
    /// The metric.
    pub metric: Metric,
    /// The base's value; null if it was not measured.
    pub base: Option<f64>,
    /// How far it can be trusted.
    #[serde(default)]
    pub base_standing: Standing,
    /// The candidate's value; null if it was not measured.
    pub candidate: Option<f64>,
    /// How far it can be trusted.
    #[serde(default)]
    pub candidate_standing: Standing,
    /// Candidate by base; null where the base is 0, or where a value is weak or a bound.
    pub ratio: Option<f64>,
    /// The 95 % interval of the ratio by itself. Null for errors, which are compared by
    /// difference.
    pub interval: Option<[f64; 2]>,
    /// The interval that the verdict goes by, and that is shown: of the ratio (of errors, of
    /// the difference) at the level at which Holm's correction judges it.
    #[serde(default)]
    pub interval_holm: Option<[f64; 2]>,
    /// Candidate minus base and its 95 % interval, for errors only.
    pub difference: Option<[f64; 3]>,
    /// The chance of such a difference if there is none beyond the threshold; null where
    /// nothing was asked, as where neither side had an error.
    pub p: Option<f64>,
    /// The same after Holm's correction; the verdict goes by it, but for that of single runs,
    /// which are corrected apart and not judged.
    pub p_holm: Option<f64>,
    /// The smallest true change that such a comparison would find with a chance of 80 %, judged
    /// at the same level: a share of the base's value (0.06: 6 % more), of errors a difference
    /// of shares. Null where nothing was judged, and in older comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findable: Option<f64>,
    /// The share of the variance that longer runs could remove; more runs remove all of it.
    pub within_runs: Option<f64>,
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether the change is the generator's own: the requests with stamped replies show it too,
    /// without the generator's share they show no evidence of a difference, and that interval
    /// does not hold this ratio.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_share: bool,
    /// Why it was not compared.
    pub reason: Option<String>,
    /// Kept until the verdict only: the level of its interval depends on all other questions.
    /// With it the noise.
    #[serde(skip)]
    contrast: Option<(Contrast, f64)>,
}

/// How far a value can be trusted.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was measured.
    #[default]
    Measured,
    /// It was measured, in a sample that is too small for this percentile.
    Weak,
    /// The true value is as large or larger: some requests were never answered.
    LowerBound,
}

/// What a metric's difference comes to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is better.
    #[strum(serialize = "better")]
    Better,
    /// The candidate is worse.
    #[strum(serialize = "worse")]
    Worse,
    /// One run a side: how much runs vary is unknown, and may be the whole difference.
    #[strum(serialize = "single run: not judged")]
    SingleRun,
    /// There may be a difference or none.
    #[strum(serialize = "no evidence of a difference")]
    NoEvidence,
    /// A side has no number that could be compared.
    #[strum(serialize = "not compared")]
    NotCompared,
}

impl MetricComparison {
    /// What a difference would be called if there is one.
    fn direction(&self) -> Verdict {
        let more = self.candidate > self.base;
        if more == self.metric.more_is_better() { Verdict::Better } else { Verdict::Worse }
    }

    /// The interval that goes with the verdict, of the ratio or (of errors) the difference.
    /// Comparisons of older versions have the uncorrected one only.
    pub(crate) fn judged_interval(&self) -> Option<[f64; 2]> {
        let uncorrected = self.interval.or(self.difference.map(|[_, low, high]| [low, high]));
        self.interval_holm.or(uncorrected)
    }

    /// Whether the interval that is judged leaves out "the same on both sides". With no verdict of
    /// better or worse, that is a difference within the noise threshold.
    pub(crate) fn excludes_equality(&self) -> bool {
        let same = if self.metric.is_by_ratio() { 1.0 } else { 0.0 };
        self.judged_interval().is_some_and(|[low, high]| low > same || high < same)
    }
}

impl Comparison {
    /// Every metric of every case that is judged.
    pub fn metrics(&self) -> impl Iterator<Item = &MetricComparison> {
        let cases = self.candidates.iter().flat_map(|candidate| &candidate.cases);
        cases.flat_map(|case| &case.metrics)
    }

    /// Whether any metric got worse, and not by the generator's own share alone unless the
    /// metric was asked for.
    pub fn is_worse(&self) -> bool {
        let is_worse = |metric: &MetricComparison| metric.verdict == Verdict::Worse;
        self.metrics().any(|metric| is_worse(metric) && !self.is_excused(metric))
    }

    /// Whether any metric of single runs would be called worse, if runs did not vary by more
    /// than shows within them.
    pub fn is_worse_within_runs(&self) -> bool {
        let significant =
            |m: &MetricComparison| m.p_holm.is_some_and(|p| p <= 1.0 - self.method.confidence);
        let mut single = self.metrics().filter(|metric| metric.verdict == Verdict::SingleRun);
        single.any(|metric| significant(metric) && metric.direction() == Verdict::Worse)
    }
}
