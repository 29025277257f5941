//! Capacity: the highest rate at which a server meets its objectives. Key type: [`Capacity`],
//! plain versioned data that holds what was searched, every rate that was measured, and the
//! answer. What to measure next is decided by [`search`]; what the runs at a rate come to, by
//! [`judge`]; what all of it comes to, by [`answer`]. Starts no run by itself.

pub mod answer;
#[cfg(test)]
pub(crate) mod fixture;
pub mod judge;
pub mod search;
mod session;
mod validity;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Environment, LatencySummary, Requests, Slo, SloOutcome, Tool};
use crate::sweep::{Axis, Flag};

pub use session::Session;

/// The name and version of the shape.
pub const SCHEMA: &str = "echo-bench.capacity/1";

/// The capacity of a server, or of each level of the axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Name and version of this shape: `echo-bench.capacity/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// When the first run began (RFC 3339, UTC); null if none gave a report.
    #[serde(default)]
    pub started_at: Option<String>,
    /// What was searched.
    pub plan: CapacityPlan,
    /// Where it ran; null if no run gave a report.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// One search for every combination of levels, the last axis changing fastest; one without
    /// axes.
    pub levels: Vec<Level>,
    /// Each search against the first.
    #[serde(default)]
    pub comparisons: Vec<LevelComparison>,
    /// Whether a signal ended it early.
    #[serde(default)]
    pub interrupted: bool,
}

/// What was searched, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityPlan {
    /// Flags of every run.
    pub fixed: Vec<Flag>,
    /// What varies.
    pub axes: Vec<Axis>,
    /// What must hold at a rate.
    #[schemars(with = "Vec<String>")]
    pub slos: Vec<Slo>,
    /// The lowest rate that is tried, in requests per second.
    pub min_rate_per_s: f64,
    /// The highest rate that is tried.
    pub max_rate_per_s: f64,
    /// The width of the interval that ends a search, as a share of its lower end.
    pub precision: f64,
    /// The time for the runs of a search, in seconds.
    pub budget_s: f64,
    /// The measured window of a step, in seconds.
    pub window_s: f64,
    /// Seed of the first run's schedule and sizes; later runs count on from it.
    pub seed: u64,
}

/// A search and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Its levels, like `model=epoll, conns=10`; empty without axes.
    pub name: String,
    /// Its level of each axis, in the order of the plan's axes.
    pub levels: Vec<String>,
    /// The answer.
    pub answer: Answer,
    /// Successful replies per second of the closed loop that the search began with; null if it
    /// gave none.
    #[serde(default)]
    pub closed_loop_per_s: Option<f64>,
    /// Every rate that was measured, rising.
    pub rates: Vec<RateReport>,
    /// Every run of open load, in the order of time.
    pub runs: Vec<RunNote>,
    /// Why runs gave no report.
    #[serde(default)]
    pub failures: Vec<String>,
    /// What became of the objectives on throughput, which are floors of the answer.
    #[serde(default)]
    pub floors: Vec<SloOutcome>,
    /// How long the runs took, in seconds.
    pub spent_s: f64,
}

/// The highest rate that meets the objectives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The point estimate, in requests per second: where the judged percentile reaches its limit,
    /// interpolated between two rates. Null without a rate that passed and one that failed.
    pub rate_per_s: Option<f64>,
    /// The highest rate that passed, below every rate that failed: the lower end of the 95 %
    /// interval. Null if none passed.
    pub low_per_s: Option<f64>,
    /// The lowest rate that failed, above every rate that passed: the upper end. Null if none
    /// failed.
    pub high_per_s: Option<f64>,
    /// Why the search ended.
    pub ended: Ended,
    /// The objective that decides; null if none was missed.
    pub decided_by: Option<String>,
    /// What limits the server; null if it is not known.
    pub limit: Option<Limit>,
}

/// Why a search ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// The interval was narrow enough.
    Precise,
    /// The rates inside the interval stayed undecided after the longest measurement.
    Undecided,
    /// The budget was used up.
    Budget,
    /// The highest rate that may be tried passed.
    AtMaxRate,
    /// The lowest rate that may be tried failed.
    AtMinRate,
    /// The generator could not offer more, or could not tell.
    Generator,
    /// Runs gave no report.
    Broken,
    /// A signal ended it.
    Interrupted,
}

/// What limits a server at its capacity: what was used up at the lowest rate that failed above
/// those that passed, or why it failed where nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// What it is.
    pub kind: LimitKind,
    /// Cores that the server kept busy at the rate that shows it; null if it is not known.
    pub server_busy: Option<f64>,
    /// Cores that it could use: its workers, or all of the machine; null if it is not known.
    pub server_cores: Option<f64>,
}

/// What limits a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The cores that it could use were busy.
    ServerCpu,
    /// All cores of the machine were busy, with both sides and others.
    MachineCpu,
    /// The rate of the emulated link, or its queue.
    Link,
    /// The forwarder of the emulated link: packets left it late, or were lost.
    Forwarder,
    /// The generator.
    Generator,
    /// None of these is used up, and a backlog grows.
    Backlog,
    /// None of these is used up, and requests time out.
    Timeouts,
    /// None of these is used up: latency grows, or requests fail.
    NotCpu,
}

/// From which side a rate is approached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approach {
    /// The rate before it did not fail, or there was none.
    Below,
    /// The rate before it failed.
    Above,
}

/// What the runs at a rate come to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RateVerdict {
    /// Every objective is met.
    Passed,
    /// An objective is missed, or the server does not keep up.
    Failed,
    /// Neither can be said.
    Undecided,
    /// It passes from one side and fails from the other.
    Differs,
    /// The generator was the limit, or an emulated link that did other than it was asked to:
    /// which of them is the reason. Neither says anything about the server.
    Generator,
}

/// What the verdict on a rate follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateReason {
    /// An objective is missed, or whether it is can't be said.
    Objective,
    /// A backlog grows, or whether one does can't be said.
    Backlog,
    /// A backlog would grow, but its requests time out.
    Timeouts,
    /// The generator explains why it fails.
    Generator,
    /// The emulated link explains it: packets left it late, or its forwarder lost them.
    Link,
}

/// All runs at a rate, together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateReport {
    /// The rate that was asked for, in requests per second.
    pub rate_per_s: f64,
    /// What they come to.
    pub verdict: RateVerdict,
    /// Windows, together, in seconds.
    pub measured_s: f64,
    /// Requests per second that fell due.
    pub offered_per_s: Option<f64>,
    /// Successful replies per second that arrived within the windows.
    pub achieved_per_s: Option<f64>,
    /// Requests by how they ended.
    pub requests: Requests,
    /// Response latency.
    pub response: Option<LatencySummary>,
    /// The generator's own share of the judged percentile, from 0 to 1; null if it is not known.
    pub own_share: Option<f64>,
    /// Whether the verdict is that of the latency without the generator's own share.
    #[serde(default)]
    pub without_own_share: bool,
    /// What became of each objective on latency or errors, as shown: of all requests.
    pub slos: Vec<SloOutcome>,
    /// Requests that fell due and were not answered within the windows, where that is more than
    /// what is in flight anyway: the backlog grows. Those that timed out are counted.
    #[serde(default)]
    pub backlog: Option<u64>,
    /// By what share of what fell due the backlog grew within the windows: the 95 % interval,
    /// corrected for looking again. The rate fails where it lies above 0.01, and passes only
    /// where it lies below 0.05. Null if it is not known, and in older reports.
    #[serde(default)]
    pub backlog_growth: Option<[f64; 2]>,
    /// What the verdict follows from; null if it passed, and in older reports.
    #[serde(default)]
    pub reason: Option<RateReason>,
    /// Cores that the server kept busy.
    pub server_busy: Option<f64>,
    /// Cores that the generator kept busy.
    pub client_busy: Option<f64>,
    /// How much of what fits through an emulated link with a rate went through it, from 0 to 1, in
    /// the direction with more; null without a rate.
    #[serde(default)]
    pub link_busy: Option<f64>,
    /// Packets that found the queue of the emulated link full; null without one.
    #[serde(default)]
    pub link_dropped: Option<u64>,
    /// What to do about a generator or a link that is the limit.
    #[serde(default)]
    pub remedy: Option<String>,
}

/// A run of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunNote {
    /// The rate, in requests per second.
    pub rate_per_s: f64,
    /// Its measured window, in seconds.
    pub measured_s: f64,
    /// From which side the rate was approached.
    pub approach: Approach,
    /// What it shows with the runs at the same rate that were approached from the same side.
    pub verdict: RateVerdict,
}

/// Two searches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LevelComparison {
    /// The place of the first, from 0.
    pub base: usize,
    /// The place of the other.
    pub level: usize,
    /// The capacity of the other by that of the first; null if one of them has no estimate.
    pub ratio: Option<f64>,
    /// Its interval, from the ends of both: null where an end is open.
    pub interval: [Option<f64>; 2],
}

impl Capacity {
    /// Whether an objective on throughput was missed.
    pub fn has_missed(&self) -> bool {
        let mut floors = self.levels.iter().flat_map(|level| &level.floors);
        floors.any(|floor| floor.verdict() == crate::report::SloVerdict::Missed)
    }

    /// Whether every search has an answer, and every floor is decided.
    pub fn is_answered(&self) -> bool {
        let floors = self.levels.iter().flat_map(|level| &level.floors);
        let mut undecided =
            floors.filter(|floor| floor.verdict() == crate::report::SloVerdict::Undecided);
        self.levels.iter().all(|level| level.answer.is_one()) && undecided.next().is_none()
    }

    /// Whether no run at all gave a report.
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(|level| level.rates.is_empty())
    }
}

impl Answer {
    /// Whether it says what was asked: both ends are known, or the search went to a bound that was
    /// given.
    pub fn is_one(&self) -> bool {
        match (self.low_per_s, self.high_per_s) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => self.ended == Ended::AtMaxRate,
            (None, Some(_)) => self.ended == Ended::AtMinRate,
            (None, None) => false,
        }
    }
}
