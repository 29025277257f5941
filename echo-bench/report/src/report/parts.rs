//! Several processes that carry out one plan together: when each began ([`StartReport`]), and
//! what each of them found and cost ([`PartReport`], [`PartsReport`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Connections, Cpu, Environment, GeneratorShare, OwnPart, Report, Requests, ServerPartReport,
    SurroundingsReport, ThreadReport, Verdict,
};

/// When a load began that was to begin at a time of day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartReport {
    /// When it was to begin (RFC 3339, UTC), by the clock of its machine.
    pub wanted_at: String,
    /// When it began.
    pub began_at: String,
    /// How much later that was: connections that were not made in time, or a busy machine.
    pub late_ns: u64,
}

/// How far the clock of a machine is from that of the one that coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockOffset {
    /// By how much it is ahead, in nanoseconds; negative where it is behind.
    #[serde(with = "signed")]
    #[schemars(with = "String")]
    pub offset_ns: i64,
    /// The largest error of that: half of the shortest round trip.
    pub error_ns: u64,
}

/// As text: numbers of a report are never negative.
mod signed {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(value: &i64, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// The parts that a merged report is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartsReport {
    /// How many parts the plan has.
    pub of: u32,
    /// Those that are missing, so that the report is of a part of the load; usually none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
    /// From the beginning of the first part's load to that of the last one's, by their clocks,
    /// corrected where their offsets are known; null of a single part.
    pub start_skew_ns: Option<u64>,
    /// Those that are there, in the order of their numbers.
    pub each: Vec<PartReport>,
    /// The server as an agent on its machine saw it (`--server-agent`); null where none was asked.
    /// What the server cost is in `summary.cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerPartReport>,
}

/// A part whose report is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingPart {
    /// Which, from 1.
    pub number: u32,
    /// What became of it, where that is known.
    pub reason: Option<String>,
}

/// What one process of several found and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartReport {
    /// Which, from 1.
    pub number: u32,
    /// What it is called by those who started it; null without a name.
    pub name: Option<String>,
    /// When its load began (RFC 3339, UTC), by its own clock.
    pub began_at: Option<String>,
    /// How much later than it was to begin; null if no time was named.
    pub late_ns: Option<u64>,
    /// How far its clock is off; null if that was not measured.
    pub clock: Option<ClockOffset>,
    /// Length of its window in seconds.
    pub measured_s: f64,
    /// Its connections.
    pub connections: Connections,
    /// Its requests by how they ended.
    pub requests: Requests,
    /// Right answers that arrived within its window.
    pub answered_in_window: u64,
    /// The same per second.
    pub achieved_per_s: Option<f64>,
    /// What it cost.
    pub cpu: Cpu,
    /// Its generator threads.
    pub threads: Vec<ThreadReport>,
    /// 99th percentile of how late it wrote requests by its own fault; null in a closed loop.
    pub lateness_p99_ns: Option<u64>,
    /// The larger of its own parts of the median and of the 99th percentile; null without receive
    /// stamps of the kernel.
    pub own_share: Option<OwnPart>,
    /// Where it ran.
    pub environment: Environment,
    /// What happened around it.
    pub surroundings: Option<SurroundingsReport>,
    /// Whether a signal cut it short.
    pub interrupted: bool,
    /// How far its own numbers can be trusted.
    pub verdict: Verdict,
}

impl PartReport {
    /// Of the report of a part.
    pub(crate) fn new(
        number: u32,
        report: &Report,
        name: Option<String>,
        clock: Option<ClockOffset>,
    ) -> Self {
        let summary = &report.summary;
        let start = report.start.as_ref();
        let own_share = summary.generator_share.as_ref().and_then(GeneratorShare::largest);
        Self {
            number,
            name,
            began_at: start.map(|start| start.began_at.clone()),
            late_ns: start.map(|start| start.late_ns),
            clock,
            measured_s: summary.measured_s,
            connections: summary.connections,
            requests: summary.requests,
            answered_in_window: summary.answered_in_window,
            achieved_per_s: summary.achieved_per_s,
            cpu: summary.cpu,
            threads: report.threads.clone(),
            lateness_p99_ns: summary.send_lateness.as_ref().map(|lateness| lateness.p99_ns),
            own_share: own_share.map(|(_, part)| part),
            environment: report.environment.clone(),
            surroundings: summary.surroundings.clone(),
            interrupted: report.interrupted,
            verdict: report.verdict,
        }
    }
}

impl PartsReport {
    /// Whether a part is missing.
    pub fn is_partial(&self) -> bool {
        !self.missing.is_empty()
    }
}
