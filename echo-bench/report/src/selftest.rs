//! Whether the generator measures right on a machine: [`Selftest`], runs whose results have a
//! closed form, held against it. Which runs those are is in [`Oracle`]; it judges reports and
//! makes no run.

mod closed_form;
#[cfg(test)]
pub(crate) mod fixture;
mod judge;
mod oracle;
mod validity;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::self_check::SelfCheck;
use crate::report::{Environment, NoiseFloor, Report, Tool};
use echo_bench_engine::plan::{EngineKind, IdleStrategy};

pub use oracle::{Oracle, oracles};

/// The name and version of the document's shape.
pub const SCHEMA: &str = "echo-bench.selftest/1";

/// An interval of so few runs that it finds only greater differences finds none.
const MOST_SMALLEST: f64 = 10.0;

/// A selftest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selftest {
    /// Name and version of this shape: `echo-bench.selftest/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// Where it ran.
    pub environment: Environment,
    /// What was tested.
    pub subject: Subject,
    /// What was checked, in this order.
    pub checks: Vec<Check>,
    /// The noise floor of this machine; null where it was not measured.
    pub noise_floor: Option<NoiseFloor>,
    /// Runs of one plan compared with each other; null where that was not possible.
    pub against_itself: Option<AgainstItself>,
}

/// What a selftest tests: the settings of every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The generator's I/O backend.
    pub engine: EngineKind,
    /// How it waits.
    pub idle: IdleStrategy,
    /// The protocol.
    pub protocol: String,
    /// Connections of the pool; null without one.
    pub pool: Option<u32>,
    /// Generator threads; null: as many as a run has by itself.
    pub threads: Option<u32>,
    /// Whether the runs were as short as they can be.
    pub quick: bool,
}

/// A run, or several, held against what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What was measured, in words.
    pub about: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was skipped, or could not be made; null else.
    pub reason: Option<String>,
    /// How often it was measured: once more if it failed, for the machine may have been busy. 0
    /// if it was skipped.
    pub tries: u32,
    /// What was expected and what was measured, of the last try.
    pub expectations: Vec<Expectation>,
}

/// What came of a check.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// Something was not.
    Failed,
    /// It does not apply.
    Skipped,
}

/// A number that is known before it is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// What it is, like `p50`.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// What it should be.
    pub expected: f64,
    /// What is accepted: the least and the most.
    pub accepted: [f64; 2],
    /// What it was; null where it was not measured.
    pub measured: Option<f64>,
}

/// Units of what is expected.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Per second.
    PerSecond,
    /// A count.
    Count,
    /// A number without a unit.
    Number,
    /// A share, from 0 to 1.
    Share,
    /// Whether something is so: 1, or it is not: 0.
    YesNo,
}

/// Runs of one plan, compared with each other: every difference that is found is a false alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgainstItself {
    /// Runs that were made.
    pub runs: usize,
    /// Runs of each side of a comparison.
    pub runs_per_side: usize,
    /// Comparisons that they came to.
    pub comparisons: usize,
    /// The share of comparisons that found a difference.
    pub false_alarms: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// The share that is promised not to be exceeded.
    pub promised: f64,
    /// The smallest difference that would have been found in half of the comparisons, by metric:
    /// a share of the value. Those that were not judged are missing.
    pub smallest: BTreeMap<String, f64>,
}

impl Selftest {
    /// How many checks came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// Whether nothing failed, and anything was checked.
    pub fn is_passed(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }
}

impl Check {
    /// One that does not apply, and why.
    pub fn skipped(name: &str, about: String, reason: impl Into<String>) -> Self {
        let (name, reason) = (name.into(), Some(reason.into()));
        let outcome = Outcome::Skipped;
        Self { name, about, outcome, reason, tries: 0, expectations: Vec::new() }
    }

    /// One whose run could not be made at this try, and why.
    pub fn unmade(name: &str, about: String, tries: u32, reason: impl Into<String>) -> Self {
        let (name, reason) = (name.into(), Some(reason.into()));
        Self { name, about, outcome: Outcome::Failed, reason, tries, expectations: Vec::new() }
    }

    /// What these numbers of this try come to.
    pub fn judged(
        name: &str,
        about: String,
        tries: u32,
        expectations: Vec<Expectation>,
    ) -> Self {
        let holds = !expectations.is_empty() && expectations.iter().all(Expectation::holds);
        let outcome = if holds { Outcome::Passed } else { Outcome::Failed };
        Self { name: name.into(), about, outcome, reason: None, tries, expectations }
    }
}

impl Expectation {
    /// That something is so.
    pub fn yes(name: &str, holds: bool) -> Self {
        let (name, unit) = (name.into(), Unit::YesNo);
        let measured = Some(if holds { 1.0 } else { 0.0 });
        Self { name, unit, expected: 1.0, accepted: [1.0; 2], measured }
    }

    /// Whether what was measured is accepted.
    pub fn holds(&self) -> bool {
        let [low, high] = self.accepted;
        self.measured.is_some_and(|measured| (low..=high).contains(&measured))
    }
}

impl AgainstItself {
    /// What a self-check found, and whether it is as promised.
    pub fn of(check: &SelfCheck) -> (Self, Vec<Expectation>) {
        let found = check.metrics.iter();
        let smallest = found
            .filter_map(|one| Some((one.metric.to_string(), one.smallest?)))
            .filter(|(_, smallest)| *smallest < MOST_SMALLEST)
            .collect();
        // A promise that chance may have broken is not broken.
        let by_chance = if check.is_kept { check.false_alarms } else { 0.0 };
        let alarms = Expectation {
            name: "false alarms".into(),
            unit: Unit::Share,
            expected: 0.0,
            accepted: [0.0, check.promised.max(by_chance)],
            measured: check.is_judged().then_some(check.false_alarms),
        };
        let itself = Self {
            runs: check.runs,
            runs_per_side: check.runs_per_side,
            comparisons: check.comparisons,
            false_alarms: check.false_alarms,
            interval: check.interval,
            promised: check.promised,
            smallest,
        };
        (itself, vec![alarms])
    }
}

/// The noise floor by these runs: the quietest of them, for whatever else the machine does only
/// adds to it.
pub fn noise_floor(reports: &[Report]) -> Option<NoiseFloor> {
    let floors = reports.iter().filter_map(|report| {
        let response = report.summary.latency.response.as_ref()?;
        Some(NoiseFloor {
            engine: report.plan.engine,
            idle: report.plan.idle,
            measured_at: report.started_at.clone(),
            p50_ns: response.p50_ns,
            p99_ns: response.p99_ns,
        })
    });
    floors.min_by_key(|floor| floor.p50_ns)
}
